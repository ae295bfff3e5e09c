import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { latencyOf } from './latency.ts';
import { LatenessMeter, latest } from './lateness.ts';
import { spreadOf } from './spread.ts';

describe('percentiles', () => {
  test('are those of the nearest rank', () => {
    const values = Float64Array.from({ length: 1_000 }, (_, no) => 1_000 - no);
    assert.deepEqual(latencyOf(values), {
      count: 1_000,
      p50Ms: 500,
      p90Ms: 900,
      p99Ms: 990,
      p999Ms: 999,
      maxMs: 1_000,
    });
    assert.deepEqual(spreadOf([5, 1, 4, 2, 3]), { count: 5, p50: 3, p95: 5, max: 5 });
  });

  test('of nothing are none', () => {
    assert.equal(latencyOf(new Float64Array()), undefined);
  });

  test('of a histogram are right to three figures', () => {
    const meter = new LatenessMeter();
    for (let no = 1; no <= 1_000; no += 1) meter.note(no);
    const { p50Ms, p99Ms, maxMs } = meter.read();
    for (const [measured, right] of [
      [p50Ms, 500],
      [p99Ms, 990],
      [maxMs, 1_000],
    ] as const)
      assert.ok(Math.abs(measured - right) <= right / 500, `${measured} for ${right}`);
  });

  test('of several processes are those of the latest one', () => {
    const one = { startMs: 5, handedOverMs: 50, lateness: { p50Ms: 1, p99Ms: 9, maxMs: 10 } };
    const other = { startMs: 4, handedOverMs: 40, lateness: { p50Ms: 2, p99Ms: 8, maxMs: 20 } };
    const lateness = { p50Ms: 2, p99Ms: 9, maxMs: 20 };
    assert.deepEqual(latest([one, other]), { startMs: 4, handedOverMs: 50, lateness });
  });
});
