import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Coordination } from '@chappe/coordination/coordination';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { StoreError, type Store } from '@chappe/store/store';
import { formatStore, storeAddressProblem, storePrefix, type StoreInfo } from '../src/store-info.ts';
import { watchStores } from '../src/stores.ts';

const info: StoreInfo = { id: 'main', address: 'sqlite:one', identity: 'i', incarnation: 1 };

async function put(coordination: Coordination, store: StoreInfo): Promise<void> {
  const entry = { kind: 'put', key: storePrefix + store.id, value: formatStore(store) } as const;
  await coordination.transact([], [entry]);
}

describe('the stores of ranges', () => {
  test('are opened at first use, and anew when another address or incarnation is named', async () => {
    await using coordination = await openEmbeddedCoordination({});
    const opened: string[] = [];
    const closed: string[] = [];
    const open = async ({ address }: { address: string }, mark?: { incarnation: number }): Promise<Store> => {
      const name = `${address} ${mark?.incarnation}`;
      opened.push(name);
      if (address === 'sqlite:away') throw new StoreError('unavailable', 'it is away');
      const store = await openSqliteStore({ path: ':memory:' });
      return Object.assign(store, {
        [Symbol.asyncDispose]: async () => {
          closed.push(name);
        },
        query: async () => [{ name }],
      });
    };
    const prepared: Store[] = [];
    await using stores = await watchStores(coordination, open, async (store) => void prepared.push(store));
    const main = stores.of('main');
    assert.equal(stores.of('main'), main);
    await assert.rejects(main.query(''), /the store main is not known/);
    const nameOf = async (): Promise<unknown> => (await main.query(''))[0]?.['name'];
    const until = async (name: string): Promise<void> => {
      while ((await nameOf().catch((error: Error) => error.message)) !== name) await new Promise(setImmediate);
    };

    await put(coordination, info);
    await until('sqlite:one 1');
    assert.equal(await nameOf(), 'sqlite:one 1');
    assert.deepEqual([opened.length, prepared.length], [1, 1]);
    await put(coordination, { ...info, incarnation: 2 });
    await until('sqlite:one 2');
    await put(coordination, { ...info, address: 'sqlite:away', incarnation: 2 });
    await until('it is away');
    await put(coordination, { ...info, address: 'sqlite:two', incarnation: 2 });
    await until('sqlite:two 2');
    assert.deepEqual(closed, ['sqlite:one 1', 'sqlite:one 2']);
  });

  test('have addresses without logins', () => {
    assert.equal(storeAddressProblem('mysql://db.example:3306/chappe'), undefined);
    assert.equal(storeAddressProblem('mysql://db.example/chappe'), undefined);
    assert.match(storeAddressProblem('mysql://me:secret@db.example/chappe') ?? '', /leave the login out/);
    for (const wrong of ['', 'db.example:3306/chappe', 'mysql://db.example', 'http://db/chappe', 'mysql://a b/c'])
      assert.match(storeAddressProblem(wrong) ?? '', /is like mysql:/, wrong);
  });
});
