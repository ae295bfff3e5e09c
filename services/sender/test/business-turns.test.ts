import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BusinessTurns, demandOf } from '../src/business-turns.ts';
import { aboveShare } from '../src/fair-share.ts';
import { costMax, urgentInARowMax } from '../src/limits.ts';
import { readCommand, type ReadableCommand } from '../src/read-commands.ts';
import { anyWritten, contactOf, recordOf, type Written } from './range-log.ts';

function commandsOf(all: readonly Written[]): ReadableCommand[] {
  return all.map((written, offset) => {
    const command = readCommand(recordOf(written, offset), offset);
    assert.ok(command.kind !== 'unknown');
    return command;
  });
}

function turnsOf(all: readonly Written[]): BusinessTurns {
  const turns = new BusinessTurns();
  for (const command of commandsOf(all)) turns.add(command);
  return turns;
}

const repeat = (count: number, of: (place: number) => Written): Written[] =>
  Array.from({ length: count }, (_, place) => of(place));
const offsetsOf = (commands: readonly ReadableCommand[]): number[] => commands.map(({ record }) => record.offset);

test('one message behind a campaign of another business is the second to be taken', () => {
  const turns = turnsOf([
    ...repeat(10_000, (contact) => ({ contact, business: 'campaign' })),
    { contact: 20_000, business: 'small' },
  ]);
  assert.deepEqual(offsetsOf(turns.look(4)), [0, 10_000, 1, 2]);
});

test('a contact with many messages of a business keeps none of its others waiting', () => {
  const turns = turnsOf([...repeat(1_000, () => ({ contact: 1, business: 'a' })), { contact: 2, business: 'a' }]);
  assert.deepEqual(offsetsOf(turns.look(3)), [0, 1_000, 1]);
});

test('what somebody waits for goes first, and three times in a row at most while anything else waits', () => {
  const turns = turnsOf([
    ...repeat(4, (contact) => ({ contact, business: 'a', category: 'marketing' })),
    ...repeat(8, (place) => ({ contact: 10 + place, business: 'b', category: 'authentication' })),
  ]);
  assert.deepEqual(offsetsOf(turns.look(12)), [4, 5, 6, 0, 7, 8, 9, 1, 10, 11, 2, 3]);
});

test('ORDER: what is urgent does not pass what was written to the same person before', () => {
  const turns = turnsOf([
    ...repeat(3, () => ({ contact: 1, business: 'a', category: 'marketing' })),
    { contact: 1, business: 'b', category: 'authentication' },
    { contact: 2, business: 'a', category: 'marketing' },
  ]);
  assert.deepEqual(offsetsOf(turns.look(5)), [0, 4, 1, 2, 3]);
});

test('a business that sends long messages gets as many bytes as the others, not as many messages', () => {
  const turns = turnsOf([
    ...repeat(100, (contact) => ({ contact, business: 'long', bytes: 8_000 })),
    ...repeat(100, (contact) => ({ contact: 1_000 + contact, business: 'short' })),
  ]);
  const long = offsetsOf(turns.look(60)).filter((offset) => offset < 100).length;
  assert.ok(long >= 10 && long <= 14, `${long} of 60`);
});

test('ORDER: every command is taken once, those of a contact in the order of the log, whatever is cut off', () => {
  fc.assert(
    fc.property(
      fc.array(anyWritten, { maxLength: 60 }),
      fc.infiniteStream(fc.record({ add: fc.nat(8), look: fc.integer({ min: 1, max: 9 }), cut: fc.nat(9) })),
      (all, steps) => {
        const commands = commandsOf(all);
        const turns = new BusinessTurns();
        const lastOf = new Map<string, number>();
        let [added, taken] = [0, 0];
        for (const { add, look, cut } of steps) {
          if (taken === commands.length) break;
          for (const command of commands.slice(added, added + add)) turns.add(command);
          added = Math.min(commands.length, added + add);
          const next = turns.look(look);
          assert.equal(next.length, Math.min(look, added - taken));
          const kept = turns.take(Math.min(cut, next.length));
          assert.deepEqual(offsetsOf(kept), offsetsOf(next).slice(0, kept.length));
          for (const { record } of kept) {
            assert.ok(record.offset > (lastOf.get(record.key) ?? -1), `${record.offset} of ${record.key}`);
            lastOf.set(record.key, record.offset);
          }
          taken += kept.length;
          for (const [key, last] of lastOf) {
            const left = commands.slice(0, added).find(({ record }) => record.key === key && record.offset > last);
            assert.equal(turns.firstOf(key)?.record.offset, left?.record.offset);
          }
        }
      },
    ),
  );
});

test('businesses that have enough to do get as much as each other, within one command', () => {
  const size = fc.constantFrom(0, 3_000, 9_000, 40_000);
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          contacts: fc.integer({ min: 1, max: 5 }),
          sizes: fc.array(size, { minLength: 40, maxLength: 40 }),
        }),
        {
          minLength: 2,
          maxLength: 4,
        },
      ),
      fc.integer({ min: 1, max: 40 }),
      (businesses, count) => {
        const all = businesses.flatMap(({ contacts, sizes }, place) =>
          sizes.map((bytes, at): Written => ({ contact: place * 10 + (at % contacts), business: `b${place}`, bytes })),
        );
        const got = businesses.map(() => 0);
        for (const command of turnsOf(all).take(count)) {
          const { business, cost } = demandOf(command);
          got[Number(business.slice(1))] = (got[Number(business.slice(1))] ?? 0) + cost;
        }
        const largest = 1 + Math.floor(40_100 / 2_097);
        assert.ok(Math.max(...got) - Math.min(...got) <= largest + 1, got.join(' '));
      },
    ),
  );
});

test('BOUND: anything that is not urgent is taken within four commands, whatever is urgent', () => {
  const urgent: fc.Arbitrary<Written> = fc.record({
    contact: fc.integer({ min: 0, max: 50 }),
    business: fc.constantFrom('a', 'b', 'c'),
    category: fc.constant('service'),
  });
  fc.assert(
    fc.property(fc.array(urgent, { minLength: 10, maxLength: 60 }), (others) => {
      const taken = offsetsOf(turnsOf([{ contact: 99, business: 'd' }, ...others]).take(urgentInARowMax + 1));
      assert.ok(taken.includes(0));
    }),
  );
});

test('the cost of a command is bounded, also of one that nobody can decode', () => {
  const huge = recordOf({ contact: 1, business: 'a', bytes: 1_000_000 }, 0);
  const command = readCommand(huge, 0);
  const poison = readCommand({ ...huge, value: Uint8Array.of(255, 255, 255) }, 0);
  const dead = readCommand({ ...huge, key: 'nobody' }, 0);
  assert.ok(command.kind === 'command' && poison.kind === 'poison' && dead.kind === 'dead');
  assert.equal(demandOf(command).cost, costMax);
  assert.deepEqual(demandOf(poison), { business: '', isUrgent: false, cost: 1 });
  assert.deepEqual(demandOf(dead), { business: '', isUrgent: false, cost: costMax });
  assert.equal(contactOf(1), '33600000001');
});

test('above their share are those that keep one more from an equal part, and nobody who has less than that', () => {
  assert.deepEqual(aboveShare(new Map([['a', 0.5]])), []);
  assert.deepEqual(aboveShare(new Map([['a', 0.51]])), ['a']);
  assert.deepEqual(
    aboveShare(
      new Map([
        ['a', 0.3],
        ['b', 0.3],
      ]),
    ),
    [],
  );
  assert.deepEqual(
    aboveShare(
      new Map([
        ['a', 0.4],
        ['b', 0.5],
        ['c', 0.01],
      ]),
    ),
    ['b', 'a'],
  );
  const many = new Map([
    ['campaign', 0.6],
    ...Array.from({ length: 100 }, (_, at): [string, number] => [`b${at}`, 0.001]),
  ]);
  assert.deepEqual(aboveShare(many), ['campaign']);
});

test('whoever is not above its share leaves room for an equal part of one that is to come', () => {
  const parts = fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { maxLength: 12 });
  fc.assert(
    fc.property(parts, (list) => {
      const uses = new Map(list.map((use, at) => [`b${at}`, use]));
      const above = new Set(aboveShare(uses));
      const within = [...uses].filter(([party]) => !above.has(party)).map(([, use]) => use);
      const used = within.reduce((sum, use) => sum + use, 0);
      const share = (1 - used) / (above.size + 1);
      assert.ok(share > 0);
      for (const use of within) assert.ok(use <= share + 1e-9);
      for (const party of above) assert.ok((uses.get(party) ?? 0) > share - 1e-9);
    }),
  );
});
