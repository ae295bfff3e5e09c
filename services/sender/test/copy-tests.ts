/** What a copy between two stores must do, for every pair of drivers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Range } from '@chappe/ranges/range';
import { borrowed } from '@chappe/store/borrowed-store';
import { StoreError, type SqlValue, type Store, type Transaction } from '@chappe/store/store';
import { copyRange, type CopyEnd } from '../src/copy-range.ts';
import { noneBeyond } from '../src/done-beyond.ts';
import { deleteLeftovers } from '../src/delete-leftovers.ts';
import { claimRange, commitThroughFence, type Claim, type Progress } from '../src/fence.ts';
import { contactTables, rangeProgressTable } from '../src/tables.ts';
import { oneMore } from './one-range.ts';

export interface TwoStores extends AsyncDisposable {
  readonly source: Store;
  readonly target: Store;
}

const range: Range = {
  id: 'r2',
  start: '3',
  end: '4',
  state: 'filling',
  owner: 's1',
  ownerInstance: 'one',
  epoch: 5,
  topic: 'range-r2',
  store: 'target',
  copiesFrom: 'source',
  replaces: ['r1'],
};
/** More than a page of what is many. */
const contacts = Array.from({ length: 650 }, (_, index) => `3${String(index).padStart(5, '0')}`);
const running = new AbortController().signal;

export function copyTests(open: () => Promise<TwoStores>): void {
  void test('waits until the old range is drained, then brings every row of its numbers and no other', async () => {
    await using stores = await open();
    const { source, target } = stores;
    await fill(source, 'active');
    assert.deepEqual(await claim(stores, 5, 'one'), { kind: 'waits', rangeId: 'r1' });
    await setState(source, 'drained');
    const claimed = progressOf(await claim(stores, 5, 'one'), 'copies');
    assert.deepEqual([claimed.incarnation, claimed.lastTimeMs], [3, 77]);
    assert.equal(await copy(stores, claimed), 'copied');
    assert.deepEqual(await rowsOf(target), await rowsOf(source));
    const worked = progressOf(await claim(stores, 5, 'one'), 'claimed');
    const outcome = await commitThroughFence(target, 'r2', worked, oneMore(worked), async () => undefined);
    assert.equal(outcome.kind, 'committed');
    assert.equal((await target.query("SELECT contact FROM contacts WHERE contact LIKE '4%'")).length, 0);
  });

  void test('goes on after each transaction that was lost or not confirmed, at whichever step', async () => {
    await using stores = await open();
    const { source, target } = stores;
    await fill(source, 'drained');
    let steps = 0;
    for (let epoch = 5; ; epoch += 1) {
      // Killed in the first transaction that it makes, or just after it; the one before has got one further.
      const kind = epoch % 2 === 0 ? 'before' : 'after';
      const dying = dyingAfter(target, kind === 'after' ? 1 : 2, kind);
      const claimed = progressOf(await claim(stores, epoch, `i${epoch}`), 'copies');
      const end = await copy({ ...stores, target: dying }, claimed).catch((error: unknown) => error);
      if (end === 'copied') break;
      assert.ok(end instanceof StoreError, String(end));
      steps += 1;
      const standing = await claim(stores, epoch, `i${epoch}`);
      if (standing.kind === 'claimed') break;
    }
    assert.ok(steps > contactTables.length, `it died only ${steps} times`);
    assert.deepEqual(await rowsOf(target), await rowsOf(source));
  });

  void test('FENCE: of two copiers only the one that claimed last writes', async () => {
    await using stores = await open();
    const { source, target } = stores;
    await fill(source, 'drained');
    const first = progressOf(await claim(stores, 5, 'one'), 'copies');
    const [inside, wake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // It stands still between two pages.
    const slow = copy(stores, first, async () => {
      inside.resolve();
      await wake.promise;
    });
    await inside.promise;
    const second = progressOf(await claim(stores, 6, 'two'), 'copies');
    assert.equal(await copy(stores, second), 'copied');
    const done = await rowsOf(target);
    wake.resolve();
    assert.equal(await slow, 'fenced');
    assert.deepEqual(await rowsOf(target), done);
    assert.deepEqual(done, await rowsOf(source));
  });

  void test('begins anew if the source came back from before, and takes nothing of both', async () => {
    await using stores = await open();
    const { source, target } = stores;
    await fill(source, 'drained');
    const first = progressOf(await claim(stores, 5, 'one'), 'copies');
    await assert.rejects(copy({ ...stores, target: dyingAfter(target, 4, 'after') }, first), StoreError);
    // Restored: the rows are older, and the range has still to be drained.
    await source.transaction(async (tx) => {
      await tx.run("UPDATE contacts SET state = 'older' WHERE contact = ?", [contacts[0] ?? '']);
      await tx.run('DELETE FROM relations WHERE contact = ?', [contacts[1] ?? '']);
      await tx.run("UPDATE range_progress SET state = 'active', incarnation = 4 WHERE range_id = 'r1'");
    });
    const again = progressOf(await claim(stores, 6, 'two'), 'copies');
    assert.equal(await copy(stores, again), 'waits');
    await setState(source, 'drained');
    assert.equal(await copy(stores, progressOf(await claim(stores, 6, 'two'), 'copies')), 'copied');
    assert.deepEqual(await rowsOf(target), await rowsOf(source));
  });

  void test('notices what is written otherwise than it was read, and rows that nobody copied', async () => {
    await using stores = await open();
    const { source, target } = stores;
    await fill(source, 'drained');
    const claimed = progressOf(await claim(stores, 5, 'one'), 'copies');
    await assert.rejects(copy({ ...stores, target: mangling(target) }, claimed), /is not what was read/);
    assert.equal((await target.query('SELECT * FROM contacts')).length, 0);
    await target.transaction((tx) => tx.run("INSERT INTO contacts VALUES ('399999', 'a stranger')"));
    await assert.rejects(
      copy(stores, progressOf(await claim(stores, 6, 'two'), 'copies')),
      /were not copied|is not what was read/,
    );
  });

  void test('what it left behind is deleted up to the last row, and nothing after its fence row is gone', async () => {
    await using stores = await open();
    const { source } = stores;
    await fill(source, 'drained');
    assert.equal(await deleteLeftovers(source, { id: 'r1', start: '3', end: '4' }, running), true);
    for (const rows of Object.values(await rowsOf(source))) assert.equal(rows.length, 0);
    assert.equal((await source.query('SELECT * FROM range_progress')).length, 0);
    assert.equal((await source.query('SELECT * FROM contacts')).length, 1, 'of another range');
    // The numbers have come back to this store: whoever has slept since deletes nothing of them.
    await source.transaction((tx) => tx.run("INSERT INTO contacts VALUES ('300001', 'back again')"));
    assert.equal(await deleteLeftovers(source, { id: 'r1', start: '3', end: '4' }, running), true);
    assert.equal((await source.query("SELECT * FROM contacts WHERE contact = '300001'")).length, 1);
  });
}

/** A range with rows in every table, and a contact of another range. */
async function fill(source: Store, state: string): Promise<void> {
  const progress: Record<string, SqlValue> = {
    range_id: 'r1',
    start_bound: '3',
    end_bound: '4',
    epoch: 4,
    instance: 'old',
    incarnation: 3,
    last_id: '',
    last_time_ms: 77,
    last_offset: -1,
    state,
  };
  await source.transaction(async (tx) => {
    await tx.insert(
      rangeProgressTable,
      [rangeProgressTable.columns.map((column) => progress[column] ?? (column === 'done_beyond' ? noneBeyond : 0))],
      'fail',
    );
    for (const { table } of contactTables) {
      const rows = contacts.map((contact, index) => table.columns.map((column) => valueOf(column, contact, index)));
      await tx.insert(table, rows, 'fail');
    }
    await tx.run("INSERT INTO contacts VALUES ('400000', '{}')");
  });
}

/** Any value that the column takes: bytes, none, large numbers, texts of other alphabets. */
function valueOf(column: string, contact: string, index: number): SqlValue {
  if (column === 'contact') return contact;
  if (['sealed', 'value'].includes(column)) return Uint8Array.from({ length: 40 }, (_, at) => (index + at) % 256);
  if (['sealed_body', 'ciphertext'].includes(column))
    return index % 3 === 0 ? null : Uint8Array.of(index % 256, 0, 39, 92);
  if (/(_no|_ms|micros|version|offset|incarnation)$/.test(column)) return Number.MAX_SAFE_INTEGER - index;
  if (['device', 'acknowledged', 'tries', 'window_open', 'type', 'attached'].includes(column)) return index % 2;
  return column.endsWith('_id') || column === 'id' ? `${column}-${index}` : `é'\\${index % 7}`;
}

async function setState(source: Store, state: string): Promise<void> {
  await source.transaction((tx) => tx.run('UPDATE range_progress SET state = ?', [state]));
}

/** All rows of the range's numbers, by table, in the order of the contacts. */
async function rowsOf(store: Store): Promise<Record<string, unknown[]>> {
  const entries = contactTables.map(async ({ table, order }) => {
    const sql = `SELECT ${table.columns.join(', ')} FROM ${table.name} WHERE contact >= '3' AND contact < '4' ORDER BY ${order.join(', ')}`;
    return [table.name, await store.query(sql)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

function claim({ source, target }: TwoStores, epoch: number, instance: string): Promise<Claim> {
  return claimRange(target, range, epoch, instance, source);
}

function progressOf(claimed: Claim, kind: 'claimed' | 'copies'): Progress {
  assert.ok(claimed.kind === kind, `the claim is ${claimed.kind}`);
  return claimed.progress;
}

/** @param afterPage awaited before the source is read again */
async function copy(
  { source, target }: Pick<TwoStores, 'source' | 'target'>,
  claimed: Progress,
  afterPage?: () => Promise<void>,
): Promise<CopyEnd> {
  let pages = 0;
  const slowSource: Store = {
    ...borrowed(source),
    query: async (sql, parameters) => {
      if (pages > 0) await afterPage?.();
      return source.query(sql, parameters);
    },
  };
  return copyRange({ source: slowSource, store: target, range, claimed, signal: running, onPage: () => (pages += 1) });
}

/** Its process dies in the transaction of that number, before it is committed or after it. */
function dyingAfter(store: Store, transactions: number, when: 'before' | 'after'): Store {
  let left = transactions;
  const dead = (): StoreError => new StoreError(when === 'before' ? 'unavailable' : 'unknown', 'the process died');
  return {
    ...borrowed(store),
    transaction: async (work) => {
      left -= 1;
      if (left < 0) throw dead();
      if (left > 0) return store.transaction(work);
      if (when === 'before')
        return store.transaction(async (tx) => {
          await work(tx);
          throw dead();
        });
      await store.transaction(work);
      throw dead();
    },
  };
}

/** Writes one byte of the first page otherwise. */
function mangling(store: Store): Store {
  return {
    ...borrowed(store),
    transaction: (work) =>
      store.transaction((tx) => {
        const mangled: Transaction = {
          connectionId: tx.connectionId,
          run: (sql, parameters) => tx.run(sql, parameters),
          runMany: (sql, lists) => tx.runMany(sql, lists),
          query: (sql, parameters) => tx.query(sql, parameters),
          queryAll: (queries) => tx.queryAll(queries),
          queryForUpdate: (sql, parameters) => tx.queryForUpdate(sql, parameters),
          insert: (table, rows, onConflict) => {
            const [first, ...rest] = rows;
            const changed = first === undefined ? [] : [[...first.slice(0, -1), 'otherwise'], ...rest];
            return tx.insert(table, table.name === 'contacts' ? changed : rows, onConflict);
          },
        };
        return work(mangled);
      }),
  };
}
