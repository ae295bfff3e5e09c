import { endOfNumbers, inInterval } from '@chappe/numbers/phone-number';
import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRange, isAppendable, parseRange, type Range } from '../src/range.ts';
import { merge, RoutingTable, split } from '../src/routing-table.ts';

const whole: Range = {
  id: 'r-0',
  start: '',
  end: endOfNumbers,
  state: 'active',
  owner: 'shard-1',
  ownerInstance: 'i-1',
  epoch: 3,
  topic: 'range-r-0',
  store: 'main',
};
const digits = fc.stringMatching(/^[0-9]{1,15}$/);
const step = fc.oneof(
  fc.record({ kind: fc.constant('split' as const), at: digits }),
  fc.record({ kind: fc.constant('merge' as const), at: digits }),
);

test('after any splits and merges every number has exactly one range, and it is the right one', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 40 }),
      fc.array(digits, { minLength: 1, maxLength: 30 }),
      (steps, numbers) => {
        let table = RoutingTable.of([whole], 1);
        // The oracle: the places where the line of numbers is cut.
        const cuts = new Set<string>(['']);
        let made = 0;
        for (const { kind, at } of steps) {
          const target = table.find(at);
          const appendable = table.ranges.filter(isAppendable);
          const right = appendable.find((range) => range.start === target.end);
          const old = kind === 'split' ? [target] : right === undefined ? [] : [target, right];
          if (old.length === 0 || (kind === 'split' && target.start === at)) continue;
          made += 2;
          const created =
            kind === 'split'
              ? split(target, at, [`r-${made}`, `r-${made + 1}`])
              : right === undefined
                ? []
                : [merge(right, target, `r-${made}`)];
          if (kind === 'split') cuts.add(at);
          else cuts.delete(target.end);
          const kept = table.ranges.map((range) =>
            old.includes(range) ? { ...range, state: 'draining' as const } : range,
          );
          table = RoutingTable.of([...kept, ...created], table.generation + 1);
        }
        for (const number of [...numbers, '0', '9'.repeat(15)]) {
          const range = table.find(number);
          assert.equal(
            range.start,
            [...cuts]
              .filter((cut) => cut <= number)
              .toSorted()
              .at(-1),
          );
          const holding = table.ranges.filter((one) => isAppendable(one) && inInterval(number, one.start, one.end));
          assert.deepEqual(holding, [range]);
          assert.equal(table.byId(range.id), range);
        }
      },
    ),
  );
});

test('a table with a gap is refused, and the error says where', () => {
  assert.throws(() => RoutingTable.of([], 1), /no range holds \[, :\)/);
  assert.throws(() => RoutingTable.of([{ ...whole, end: '5' }], 1), /no range holds \[5, :\), after r-0/);
  const [left, right] = split(whole, '336', ['a', 'b']);
  assert.throws(() => RoutingTable.of([left, { ...right, start: '34' }], 1), /\[336, 34\), between a and b/);
  assert.throws(() => RoutingTable.of([left, { ...right, state: 'draining' }], 1), /no range holds \[336, :\)/);
});

test('a table with an overlap or with one id twice is refused', () => {
  const [left, right] = split(whole, '336', ['a', 'b']);
  assert.throws(() => RoutingTable.of([left, { ...right, start: '33' }], 1), /a and b overlap from 33/);
  assert.throws(() => RoutingTable.of([left, { ...right, id: 'a' }], 1), /same id/);
});

test('a range is cut only inside itself, and merged only with its neighbour in the same store', () => {
  for (const at of ['', ':', 'x']) assert.throws(() => split(whole, at, ['a', 'b']), /cannot be cut/);
  const [left, right] = split(whole, '336', ['a', 'b']);
  const [middle, last] = split(right, '44', ['c', 'd']);
  assert.throws(() => split(left, '336', ['e', 'f']), /cannot be cut/);
  assert.throws(() => merge(left, last, 'g'), /do not touch/);
  assert.throws(() => merge(left, { ...middle, store: 'other' }, 'g'), /different stores/);
});

test('a range survives being written and read', () => {
  for (const range of [whole, ...split(whole, '336', ['a', 'b'])])
    assert.deepEqual(parseRange(formatRange(range)), range);
});

test('a range that is not one is refused with the field', () => {
  assert.throws(wrong({ id: 'a/b' }), /no id/);
  assert.throws(wrong({ start: '+33' }), /start/);
  assert.throws(wrong({ end: '' }), /end/);
  assert.throws(wrong({ start: '5', end: '4' }), /empty/);
  assert.throws(wrong({ state: 'open' }), /state/);
  assert.throws(wrong({ epoch: -1 }), /epoch/);
  assert.throws(wrong({ topic: '' }), /topic/);
});

function wrong(change: object): () => unknown {
  return () => parseRange(JSON.stringify({ ...whole, ...change }));
}
