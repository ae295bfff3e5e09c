/** A process whose rule is broken starts with the drivers of ./break: they must have all that the real ones have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

for (const name of ['log-driver', 'store-driver', 'coordination-driver']) {
  test(`the broken ${name} has whatever services import from the real one`, async () => {
    const load = async (specifier: string): Promise<object> => (await import(specifier)) as object;
    const [real, broken] = [
      await load(`@chappe/drivers/${name}`),
      await load(new URL(`break/${name}.ts?rule=fence_out`, import.meta.url).href),
    ];
    assert.deepEqual(Object.keys(broken).toSorted(), Object.keys(real).toSorted());
  });
}
