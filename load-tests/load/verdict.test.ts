import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verdictOf, type Backlog } from './verdict.ts';

const good = {
  backlog: looksAt(() => 50),
  perSecond: 500,
  isPaced: true,
  lateness: { p50Ms: 1, p99Ms: 5, maxMs: 20 },
  refused: new Map<number, number>(),
  failed: 0,
  failures: new Map<number, number>(),
  isDrained: true,
  problems: 0,
};

function looksAt(unshown: (second: number) => number): Backlog[] {
  return Array.from({ length: 20 }, (_, second) => ({
    atMs: second * 1_000,
    lag: 10,
    unanswered: 20,
    unshown: unshown(second),
    untold: 0,
  }));
}

describe('a rate', () => {
  test('is sustained when nothing is wrong', () => {
    assert.deepEqual(verdictOf(good), { isVoid: false, isBroken: false, isSustained: true, reasons: [] });
  });

  test('is void when the driver was late, whatever the system did', () => {
    const { isVoid, isSustained } = verdictOf({ ...good, lateness: { p50Ms: 20, p99Ms: 300, maxMs: 900 } });
    assert.ok(isVoid && !isSustained);
  });

  test('is none with one problem of the checker', () => {
    const { isBroken, isSustained } = verdictOf({ ...good, problems: 1 });
    assert.ok(isBroken && !isSustained);
  });

  test('is not sustained when mailboxes fill, something is refused or fails, or does not end', () => {
    const growing = looksAt((second) => 100 * second);
    const bad = [{ backlog: growing }, { refused: new Map([[3006, 1]]) }, { failed: 1 }, { isDrained: false }];
    for (const change of bad) {
      const { isSustained, reasons } = verdictOf({ ...good, ...change });
      assert.ok(!isSustained && reasons.length === 1, JSON.stringify(Object.keys(change)));
    }
  });

  test('in bursts is not judged by what waits in between', () => {
    assert.ok(verdictOf({ ...good, isPaced: false, backlog: looksAt((second) => 100 * second) }).isSustained);
  });
});
