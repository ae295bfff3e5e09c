import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { catalogue, type ErrorName } from '@chappe/errors/catalogue';
import fc from 'fast-check';
import { hasRoom } from '../src/decide-send.ts';
import { mailboxEnvelopesMax, mailboxEnvelopesPerNumberMax, mailboxNumbersMax } from '../src/limits.ts';
import { emptyMailbox } from '../src/state.ts';
import { business, day, number, Person, start, verdictOf } from './person.ts';

const optOut = { case: 'optOut', value: { business } } as const;
const block = { case: 'block', value: { business, number, blocked: true } } as const;

describe('a send', () => {
  test('to a person who agreed is accepted with its price', () => {
    const [effect] = Person.reachable().send();
    assert.ok(effect?.kind === 'accept');
    const { price } = effect.message;
    assert.deepEqual([price.micros, price.windowOpen, price.priceBook], [50_000, false, 'b1']);
  });

  const policy = { templateOnlyAfterWindow: true };
  const cap = { capCount: 1, capPeriodMs: BigInt(day) };
  const refusals: readonly [string, ErrorName, number, (person: Person) => ReturnType<Person['send']>][] = [
    ['free text to a person who never wrote', 'windowClosed', 470, (person) => person.send({ category: 'service' })],
    [
      'free text after the window, where only templates may follow',
      'windowClosed',
      470,
      (person) => {
        person.writes('reply');
        return person.send({ category: 'service', policy }, start + day);
      },
    ],
    [
      'a message to a person without a device',
      'userInvalid',
      1013,
      () => {
        const person = new Person();
        person.command({ case: 'optIn', value: { business, givenAtMs: BigInt(start) } });
        return person.send();
      },
    ],
    [
      'a message to a person who blocked the business',
      'undeliverable',
      1026,
      (person) => {
        person.command(block);
        return person.send();
      },
    ],
    [
      'a message to a person who just got a burst of that number',
      'pairLimit',
      131056,
      (person) => {
        const pair = { pairBurst: 1, pairIntervalMs: 6_000n };
        person.send({ policy: pair });
        return person.send({ policy: pair }, start + 5_999);
      },
    ],
    [
      'marketing beyond the cap',
      'frequencyCap',
      131049,
      (person) => {
        person.send({ category: 'marketing', policy: cap });
        return person.send({ category: 'marketing', policy: cap }, start + day - 1);
      },
    ],
    [
      'a message to a person who opted out',
      'optedOut',
      131050,
      (person) => {
        person.command(optOut);
        return person.send();
      },
    ],
    [
      'a template to a person who did not agree',
      'noOptIn',
      3001,
      () => {
        const person = new Person();
        person.register(1);
        return person.send();
      },
    ],
    [
      'one more than a mailbox holds of a number',
      'mailboxFull',
      3004,
      (person) => {
        for (let count = 0; count < mailboxEnvelopesPerNumberMax; count += 1) person.send();
        return person.send();
      },
    ],
    ['a message dearer than it may be', 'priceAboveLimit', 3005, (person) => person.send({ maxPriceMicros: 49_999n })],
    [
      'one more than may be held of a number',
      'laneFull',
      3006,
      (person) => {
        person.send();
        person.register(2, { identity: 'identity-2' });
        for (let count = 1; count < mailboxEnvelopesPerNumberMax; count += 1) person.send();
        return person.send();
      },
    ],
    [
      'a message to a new identity, where the business fails it',
      'identityChanged',
      480,
      (person) => {
        person.send({ policy: { identity: 'fail' } });
        person.register(2, { identity: 'identity-2' });
        return person.send({ policy: { identity: 'fail' } });
      },
    ],
  ];
  for (const [what, reason, code, attempt] of refusals) {
    test(`${what} is refused with ${code}`, () => {
      const effects = attempt(Person.reachable());
      assert.equal(verdictOf(effects), reason);
      assert.equal(catalogue[reason].code, code);
      assert.equal(effects.length, 1, 'a refused message changes nothing else');
    });
  }

  test('has room beside removed envelopes, whose numbers stay, until a mailbox was made anew as often as it may', () => {
    const pendingOf = (count: number) =>
      Array.from({ length: count }, (_, index) => {
        return { envelopeNo: index + 1, messageId: `m${index}`, number, sessionNo: 1, removed: true };
      });
    const hasRoomBeside = (count: number): boolean =>
      hasRoom({ ...emptyMailbox, pending: pendingOf(count) }, number, { all: 0, ofNumber: 0 });
    assert.deepEqual([mailboxEnvelopesMax, mailboxNumbersMax].map(hasRoomBeside), [true, false]);
  });

  test('is refused by the first rule that is broken: agreement, window, reach, identity, room, cap, price', () => {
    // Breaks every rule at once; one after the other is mended.
    const person = new Person();
    const marketing = (maxPriceMicros = 0n) =>
      person.send({ category: 'marketing', policy: { identity: 'fail', ...cap }, maxPriceMicros });
    const reply = () => person.send({ category: 'service', policy: { identity: 'fail' }, maxPriceMicros: 0n });
    person.command(optOut);
    person.command(block);
    assert.equal(verdictOf(reply()), 'optedOut');
    person.command({ case: 'optIn', value: { business, givenAtMs: BigInt(start) } });
    assert.equal(verdictOf(reply()), 'windowClosed');
    assert.equal(verdictOf(marketing()), 'undeliverable');
    person.command({ case: 'block', value: { business, number, blocked: false } });
    assert.equal(verdictOf(marketing()), 'userInvalid');
    person.register(1);
    assert.equal(verdictOf(marketing(1_000_000n)), 'accepted');
    person.register(2, { identity: 'identity-2' });
    assert.equal(verdictOf(marketing()), 'identityChanged');
    person.command({ case: 'acknowledgeIdentity', value: { business } });
    assert.equal(verdictOf(marketing()), 'frequencyCap');
    assert.equal(verdictOf(person.send({ maxPriceMicros: 0n })), 'priceAboveLimit');
  });

  test('of free text in the open window needs no opt-in and is free; a template needs one and is charged', () => {
    const person = new Person();
    person.register(1);
    person.writes('reply');
    const [effect] = person.send({ category: 'service' }, start + day - 1);
    assert.ok(effect?.kind === 'accept');
    assert.deepEqual([effect.message.price.micros, effect.message.price.windowOpen], [0, true]);
    assert.equal(verdictOf(person.send({}, start + 1)), 'noOptIn');
    assert.equal(verdictOf(person.send({ category: 'service' }, start + day)), 'noOptIn');
  });

  test('of free text after the window is charged unless the business chose templates only', () => {
    const person = Person.reachable();
    person.writes('reply');
    const [effect] = person.send({ category: 'service' }, start + day);
    assert.ok(effect?.kind === 'accept');
    assert.equal(effect.message.price.micros, 10_000);
  });

  test('ONCE: with an id that was decided before is dropped, whatever became of it', () => {
    const person = Person.reachable();
    person.send({ id: 'm' });
    assert.equal(verdictOf(person.send({ id: 'm' })), 'dropped: repeat');
    assert.equal(verdictOf(new Person().send({ id: 'm' })), 'noOptIn');
  });
});

test('WINDOW: is open exactly for 24 h after what the person wrote, as the log dates it (against an oracle)', () => {
  const step = fc.record({
    waitMs: fc.oneof(fc.integer({ min: 0, max: 3 * 3_600_000 }), fc.constantFrom(day - 1, day, day + 1)),
    what: fc.constantFrom('reply', 'session_ack', 'repeat', 'undecryptable', 'send', 'block', 'unblock'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const person = Person.reachable();
      let now = start;
      let lastWritten: number | undefined;
      for (const { waitMs, what } of steps) {
        now += waitMs;
        if (what === 'send') {
          const open = lastWritten !== undefined && now - lastWritten < day;
          const [effect] = person.send({}, now);
          assert.ok(effect?.kind === 'accept' || effect?.kind === 'refuse');
          assert.equal(effect.message.price.windowOpen, open);
        } else if (what === 'block' || what === 'unblock') {
          person.command({ case: 'block', value: { business, number, blocked: what === 'block' } }, now);
        } else {
          person.writes(what, now);
          if (what === 'reply') lastWritten = now;
        }
      }
    }),
  );
});

test('a burst of a number to a person, then one for each interval, is accepted (against an oracle)', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 8_000 }), { maxLength: 60 });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 4 }), (gapsMs, pairBurst) => {
      const person = Person.reachable();
      const intervalMs = 6_000;
      // A bucket that holds a burst and gains one in each interval.
      let [now, tokens] = [start, pairBurst * intervalMs];
      for (const gapMs of gapsMs) {
        now += gapMs;
        tokens = Math.min(pairBurst * intervalMs, tokens + gapMs);
        const policy = { pairBurst, pairIntervalMs: BigInt(intervalMs) };
        const verdict = verdictOf(person.send({ category: 'utility', policy }, now));
        assert.equal(verdict, tokens >= intervalMs ? 'accepted' : 'pairLimit');
        if (verdict === 'accepted') tokens -= intervalMs;
      }
    }),
  );
});

test('numbers of a business have a limit each, and one that sent nothing for long is forgotten', () => {
  const person = Person.reachable();
  const policy = { pairBurst: 1, pairIntervalMs: 6_000n };
  assert.equal(verdictOf(person.send({ policy })), 'accepted');
  assert.equal(verdictOf(person.send({ policy, number: '33199999999' })), 'accepted');
  assert.equal(verdictOf(person.send({ policy }, start + 5_999)), 'pairLimit');
  assert.equal(verdictOf(person.send({ policy }, start + 6_000)), 'accepted');
  assert.deepEqual(Object.keys(person.state.relations.get(business)?.pairUntilMs ?? {}), [number]);
  assert.equal(verdictOf(person.send({ policy: { pairBurst: 0 } }, start + 6_001)), 'accepted');
});

test('no more marketing than the cap is accepted in any period (against an oracle)', () => {
  const waits = fc.array(fc.integer({ min: 0, max: 20 * 60_000 }), { maxLength: 60 });
  fc.assert(
    fc.property(waits, fc.integer({ min: 1, max: 4 }), (gapsMs, capCount) => {
      const person = Person.reachable();
      const periodMs = 3_600_000;
      const accepted: number[] = [];
      let now = start;
      for (const gapMs of gapsMs) {
        now += gapMs;
        const policy = { capCount, capPeriodMs: BigInt(periodMs) };
        const verdict = verdictOf(person.send({ category: 'marketing', policy }, now));
        const inPeriod = accepted.filter((time) => time > now - periodMs).length;
        assert.equal(verdict, inPeriod < capCount ? 'accepted' : 'frequencyCap');
        if (verdict === 'accepted') accepted.push(now);
      }
    }),
  );
});
