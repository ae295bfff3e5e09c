import { endOfNumbers, inInterval } from '@chappe/numbers/phone-number';
import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRange, isAppendable, parseRange, type Range } from '../src/range.ts';
import { recut, RoutingTable } from '../src/routing-table.ts';
import { halves } from './halves.ts';

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
          const created = recut(old, kind === 'split' ? [at] : [], [`r-${made}`, `r-${made + 1}`]);
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
  const [left, right] = halves(whole, '336', ['a', 'b']);
  assert.throws(() => RoutingTable.of([left, { ...right, start: '34' }], 1), /\[336, 34\), between a and b/);
  assert.throws(() => RoutingTable.of([left, { ...right, state: 'draining' }], 1), /no range holds \[336, :\)/);
});

test('a table with an overlap or with one id twice is refused', () => {
  const [left, right] = halves(whole, '336', ['a', 'b']);
  assert.throws(() => RoutingTable.of([left, { ...right, start: '33' }], 1), /a and b overlap from 33/);
  assert.throws(() => RoutingTable.of([left, { ...right, id: 'a' }], 1), /same id/);
});

test('numbers are cut anew only strictly inside ranges that touch and rest in one store', () => {
  for (const at of ['', ':', 'x']) assert.throws(() => recut([whole], [at], ['a', 'b']), /cannot be cut/);
  const [left, right] = halves(whole, '336', ['a', 'b']);
  const [middle, last] = halves(right, '44', ['c', 'd']);
  assert.throws(() => recut([left], ['336'], ['e', 'f']), /cannot be cut/);
  assert.throws(() => recut([whole], ['5', '4'], ['e', 'f', 'g']), /cannot be cut/);
  assert.throws(() => recut([left, last], [], ['g']), /do not touch/);
  assert.throws(() => recut([left, { ...middle, store: 'other' }], [], ['g']), /different stores/);
  assert.throws(() => recut([], [], ['g']), /no range/);
});

test('a bound between two ranges is moved, and both new ones begin above every epoch of the old ones', () => {
  const [left, right] = halves(whole, '336', ['a', 'b']);
  const moved = recut([{ ...right, epoch: 9, owner: 's2' }, left], ['34'], ['c', 'd']);
  assert.deepEqual(
    moved.map(({ id, start, end, owner, epoch, replaces }) => [id, start, end, owner, epoch, replaces]),
    [
      ['c', '', '34', 'shard-1', 10, ['a', 'b']],
      ['d', '34', ':', 's2', 10, ['a', 'b']],
    ],
  );
});

test('while new ranges only fill, the old one is where things are done for a number', () => {
  const [left, right] = halves(whole, '336', ['a', 'b']);
  const old = { ...whole, state: 'draining' as const };
  const filling = RoutingTable.of([old, left, right], 2);
  assert.deepEqual([filling.find('3361').id, filling.working('3361').id], ['b', 'r-0']);
  const half = RoutingTable.of([old, left, { ...right, state: 'active' }], 2);
  assert.deepEqual([half.working('3361').id, half.working('1').id], ['b', 'r-0']);
});

test('a range survives being written and read', () => {
  for (const range of [whole, ...halves(whole, '336', ['a', 'b'])])
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
