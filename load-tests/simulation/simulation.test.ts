import assert from 'node:assert/strict';
import { test } from 'node:test';
import { regressions } from './regressions.ts';
import { brokenBy, controlOf } from './rules.ts';
import { simulate } from './simulate.ts';

/** Enough to see that the simulation works; `make simulate` is for the hunt. */
const seedsMax = 20;
const seedsOfControlMax = 20;

for (const { seed, only, what } of regressions) {
  test(`it does not come back that ${what}`, async () => {
    const { problems, trace } = await simulate({ seed, only: new Set(only) });
    assert.deepEqual(problems, [], trace.slice(-40).join('\n'));
  });
}

test('every promise is kept under the faults of some seeds, in which all kinds of them happen', async () => {
  const kinds = new Set<string>();
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    const { problems, faults, messages, shown } = await simulate({ seed });
    assert.deepEqual(problems, [], `make simulate SEED=${seed}`);
    assert.ok(messages > 0 && shown >= messages);
    for (const { name } of faults) kinds.add(/kill|stop|pause|cut|lost|slow|wanted/.exec(name)?.[0] ?? 'other');
  }
  assert.deepEqual(
    ['kill', 'stop', 'pause', 'cut', 'lost', 'slow', 'wanted'].filter((kind) => !kinds.has(kind)),
    [],
  );
});

test('the same seed makes the same run, whatever ran before', async () => {
  const first = await simulate({ seed: 7 });
  await simulate({ seed: 8 });
  const second = await simulate({ seed: 7 });
  assert.deepEqual(second.trace, first.trace);
  assert.deepEqual(second.faults, first.faults);
});

for (const rule of ['session_restored', 'overtaking']) {
  test(`a rule that is broken is found: ${rule}`, async () => {
    const control = controlOf(rule);
    for (let seed = 1; seed <= seedsOfControlMax; seed += 1) {
      const { problems } = await simulate({ seed, broken: brokenBy(control) });
      if (problems.some((problem) => control.expects.test(problem))) return;
    }
    assert.fail(`not in ${seedsOfControlMax} seeds`);
  });
}
