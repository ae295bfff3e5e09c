/** ORDER through everything at once: random sends, faults, splits and merges, against what was called. */
import { endOfNumbers, phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppendable, topicOf } from '../src/range.ts';
import { recut } from '../src/routing-table.ts';
import { away, openBench, rangeOf, send, turns, type Bench } from './appender-bench.ts';

const contacts = ['33611111111', '33622222222', '4915112345678', '79161234567'].map((digits) =>
  phoneNumberFromDigits(digits),
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), contact: fc.constantFrom(...contacts) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('lost_before' as const, 'lost_after' as const, 'slow' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('split' as const, 'merge' as const),
      at: fc.constantFrom('3362', '4', '5', '7'),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'turns' as const }) },
);

test('ORDER: through lost answers, seals, splits and merges each contact keeps the order of its calls', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      await using bench = await openBench([rangeOf('r-0', '', endOfNumbers)]);
      const made = ['r-0'];
      const sent: { contact: string; id: string }[] = [];
      const results: Promise<unknown>[] = [];
      for (const one of steps) {
        switch (one.kind) {
          case 'send':
            sent.push({ contact: one.contact, id: `m-${sent.length}` });
            results.push(send(bench, one.contact, `m-${sent.length - 1}`));
            break;
          case 'lost_before':
            bench.faults.push(async () => away());
            break;
          case 'lost_after':
            bench.faults.push(async (append) => {
              await bench.log.append([append]);
              return away();
            });
            break;
          case 'slow':
            bench.faults.push(async () => {
              await turns();
              return undefined;
            });
            break;
          case 'turns':
            await turns();
            break;
          case 'split':
          case 'merge':
            await reshape(bench, one.kind, one.at, made);
            break;
        }
      }
      await Promise.all(results);
      for (const contact of contacts) {
        assert.deepEqual(
          await worked(bench, made, contact),
          sent.filter((command) => command.contact === contact).map(({ id }) => id),
        );
      }
    }),
    { numRuns: 60 },
  );
});

/** Seals, then opens the new ranges, as the coordinator does. */
async function reshape(bench: Bench, kind: 'split' | 'merge', at: string, made: string[]): Promise<void> {
  const table = bench.watcher.current();
  assert.ok(table !== undefined);
  const target = table.find(at);
  const right = table.ranges.find((range) => isAppendable(range) && range.start === target.end);
  const old = kind === 'split' ? [target] : right === undefined ? [] : [target, right];
  if (old.length === 0 || (kind === 'split' && target.start === at)) return;
  const created = recut(old, kind === 'split' ? [at] : [], [`r-${made.length}`, `r-${made.length + 1}`]);
  made.push(...created.map(({ id }) => id));
  await bench.log.seal(old.map(({ topic }) => topic));
  await bench.route(
    ...table.ranges.map((range) => (old.includes(range) ? { ...range, state: 'draining' as const } : range)),
    ...created,
  );
}

/** What the owners of the ranges work off: old ranges before the new ones, repeats dropped by id. */
async function worked(bench: Bench, made: readonly string[], contact: string): Promise<string[]> {
  const ids: string[] = [];
  for (const rangeId of made) {
    const records = await bench.log.readAt(topicOf(rangeId), 0, 1_000);
    ids.push(...records.filter(({ key }) => key === contact).map(({ headers }) => headers.id));
  }
  return [...new Set(ids)];
}
