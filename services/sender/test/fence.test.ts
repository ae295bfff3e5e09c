import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import { migrate } from '@chappe/store/migrate';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { StoreError, type Store } from '@chappe/store/store';
import fc from 'fast-check';
import { claimRange, commitThroughFence, resolveUnknown, type Advance, type Progress } from '../src/fence.ts';

const range: Range = {
  id: 'r1',
  start: '',
  end: endOfNumbers,
  state: 'active',
  owner: 's1',
  ownerInstance: 'a',
  epoch: 1,
  topic: 'range-r1',
  store: 'main',
};

describe('the fence', () => {
  let folder: string;
  let store: Store;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chappe-fence-'));
    store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
    await migrate(store, { service: 'sender', directory: new URL('../migrations', import.meta.url) });
  });
  after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    await store.transaction(async (tx) => {
      await tx.run('DELETE FROM range_progress');
      await tx.run('DELETE FROM contacts');
    });
  });

  const claimed = async (epoch: number, instance: string): Promise<Progress> => {
    const claim = await claimRange(store, range, epoch, instance);
    assert.ok(claim.kind === 'claimed');
    return claim.progress;
  };
  const advance = (held: Progress, records = 1): Advance => ({ ...held, nextOffset: held.nextOffset + records });
  const commit = (held: Progress, contact = 'x') =>
    commitThroughFence(store, range.id, held, advance(held), async (tx) => {
      await tx.run('INSERT INTO contacts VALUES (?, ?)', [contact, '{}']);
    });
  const contacts = async (): Promise<unknown[]> =>
    (await store.query('SELECT contact FROM contacts ORDER BY contact')).map(({ contact }) => contact);

  test('is claimed by a higher epoch, and again by the same instance under the same epoch', async () => {
    const first = await claimed(3, 'a');
    assert.deepEqual([first.nextOffset, first.incarnation], [0, 1]);
    await claimed(3, 'a');
    assert.deepEqual(await claimRange(store, range, 3, 'b'), { kind: 'refused', epoch: 3 });
    assert.deepEqual(await claimRange(store, range, 2, 'b'), { kind: 'refused', epoch: 3 });
    await claimed(4, 'b');
    assert.deepEqual(await claimRange(store, range, 3, 'a'), { kind: 'refused', epoch: 4 });
  });

  test('is claimed in a later incarnation, and goes back to none; a store that has nothing of it is not begun anew', async () => {
    const held = await claimed(1, 'a');
    assert.equal((await commit(held)).kind, 'committed');
    const later = await claimRange(store, { ...range, incarnation: 4 }, 2, 'b');
    assert.ok(later.kind === 'claimed');
    assert.deepEqual([later.progress.incarnation, later.progress.nextOffset], [4, 1]);
    assert.deepEqual(await commit(held), { kind: 'fenced', epoch: 2 });
    assert.equal((await claimed(3, 'c')).incarnation, 4);
    await store.transaction((tx) => tx.run('DELETE FROM range_progress'));
    assert.deepEqual(await claimRange(store, { ...range, incarnation: 4 }, 4, 'd'), { kind: 'lost' });
  });

  test('lets its holder through, step by step, and a claim goes on where it stands', async () => {
    const held = await claimed(1, 'a');
    const first = await commit(held, 'x');
    assert.ok(first.kind === 'committed');
    const second = await commit(first.progress, 'y');
    assert.ok(second.kind === 'committed');
    assert.deepEqual(await contacts(), ['x', 'y']);
    const { nextOffset, commitNo } = await claimed(2, 'b');
    assert.deepEqual([nextOffset, commitNo], [2, 2]);
  });

  test('FENCE: whose range was claimed by another instance or epoch commits nothing', async () => {
    const held = await claimed(1, 'a');
    await claimed(2, 'b');
    assert.deepEqual(await commit(held), { kind: 'fenced', epoch: 2 });
    assert.deepEqual(await resolveUnknown(store, range.id, held), { kind: 'fenced', epoch: 2 });
    assert.deepEqual(await contacts(), []);
  });

  test('FENCE: the same instance under a newer epoch fences itself of the older one', async () => {
    const held = await claimed(1, 'a');
    await claimed(2, 'a');
    assert.deepEqual(await commit(held), { kind: 'fenced', epoch: 2 });
  });

  test('says rolled_back when the store is older than what was committed to it', async () => {
    const held = await claimed(1, 'a');
    const outcome = await commit(held);
    assert.ok(outcome.kind === 'committed');
    await store.transaction((tx) => tx.run('UPDATE range_progress SET next_offset = 0, commit_no = 0'));
    assert.deepEqual(await commit(outcome.progress, 'z'), { kind: 'rolled_back' });
    assert.deepEqual(await contacts(), ['x']);
  });

  test('says drained once the range is closed, and takes no claim', async () => {
    const held = await claimed(1, 'a');
    await store.transaction((tx) => tx.run("UPDATE range_progress SET state = 'drained'"));
    assert.deepEqual(await commit(held), { kind: 'drained' });
    assert.deepEqual(await claimRange(store, range, 2, 'b'), { kind: 'drained' });
    assert.deepEqual(await contacts(), []);
  });

  test('is passed with its rows or not at all', async () => {
    const held = await claimed(1, 'a');
    const failing = commitThroughFence(store, range.id, held, advance(held), async (tx) => {
      await tx.run("INSERT INTO contacts VALUES ('x', '{}')");
      throw new StoreError('refused', 'a deadlock');
    });
    assert.equal((await failing).kind, 'refused');
    assert.deepEqual(await contacts(), []);
    assert.equal((await commit(held)).kind, 'committed');
  });

  test('resolves an unknown commit: it happened, it did not, or another owner came', async () => {
    const held = await claimed(1, 'a');
    const refused = await resolveUnknown(store, range.id, held);
    assert.equal(refused.kind, 'refused');
    const done = await commit(held);
    assert.ok(done.kind === 'committed');
    assert.deepEqual(await resolveUnknown(store, range.id, held), done);
    await claimed(2, 'b');
    assert.equal((await resolveUnknown(store, range.id, held)).kind, 'fenced');
  });

  test('FENCE: of instances that claim and commit in any order, only the last to claim commits (against an oracle)', async () => {
    const step = fc.record({
      instance: fc.constantFrom('a', 'b', 'c'),
      act: fc.constantFrom('claim', 'commit'),
      epochs: fc.integer({ min: -1, max: 1 }),
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (actions) => {
        runs += 1;
        const mine = { ...range, id: `p${runs}` };
        const held = new Map<string, Progress>();
        let row = { epoch: 0, instance: '', commits: 0 };
        for (const { instance, act, epochs } of actions) {
          if (act === 'claim') {
            const epoch = Math.max(0, row.epoch + epochs);
            const claim = await claimRange(store, mine, epoch, instance);
            const allowed = row.epoch < epoch || (row.epoch === epoch && row.instance === instance);
            assert.equal(claim.kind, allowed ? 'claimed' : 'refused');
            if (claim.kind !== 'claimed') continue;
            row = { ...row, epoch, instance };
            held.set(instance, claim.progress);
          } else {
            const progress = held.get(instance);
            if (progress === undefined) continue;
            const outcome = await commitThroughFence(store, mine.id, progress, advance(progress), async () => {});
            const isHolder = progress.epoch === row.epoch && row.instance === instance;
            assert.equal(outcome.kind, isHolder ? 'committed' : 'fenced');
            if (outcome.kind !== 'committed') continue;
            row.commits += 1;
            assert.equal(outcome.progress.nextOffset, row.commits);
            held.set(instance, outcome.progress);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
