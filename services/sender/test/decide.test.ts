import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Effect } from '../src/effects.ts';
import { business, day, number, Person, start, verdictOf, type CommandInit } from './person.ts';

const block = (blocked: boolean): CommandInit => ({ case: 'block', value: { business, number, blocked } });
const cancel = (messageId: string): CommandInit => ({ case: 'cancel', value: { business, messageId } });
const acknowledgeIdentity: CommandInit = { case: 'acknowledgeIdentity', value: { business } };
const optIn: CommandInit = { case: 'optIn', value: { business, source: 'form', wording: 'yes' } };

/** Two messages wait: m1 may have been pushed to the device, m2 not. */
async function withPushedAndQueued(): Promise<Person> {
  const person = Person.reachable();
  await person.turn((_, changes) => {
    person.attach(changes, { incarnation: 0, number: 0 });
    person.sendIn(changes, 'm1');
  });
  await person.turn((_, changes) => {
    person.detach(changes, 1);
    person.sendIn(changes, 'm2');
  });
  return person;
}

const command = (kind: CommandInit, timeMs?: number) => (person: Person, changes: Parameters<Person['sendIn']>[0]) =>
  person.commandIn(changes, kind, timeMs);

describe('what a person writes', () => {
  test('is received, and opens the window of that number', () => {
    const person = Person.reachable();
    const kinds = person.writes('reply').map(({ kind }) => kind);
    assert.deepEqual(kinds, ['acknowledge_session', 'tell_device', 'received', 'set_relation']);
    assert.deepEqual(person.state.relations.get(business)?.lastInboundMs, { [number]: start });
  });

  for (const what of ['session_ack', 'repeat', 'undecryptable'] as const) {
    test(`as ${what} opens no window and is no event`, () => {
      const person = Person.reachable();
      const effects = person.writes(what);
      assert.ok(!effects.some(({ kind }) => kind === 'received' || kind === 'set_relation'));
    });
  }

  test('NO-LOSS: is told to be unreadable if it cannot be decrypted and was never received', async () => {
    const person = Person.reachable();
    const outcomes: string[] = [];
    await person.turn((_, changes) => {
      // The last two: another text under a message key of the first, and the first once more.
      person.writesIn(changes, 'reply', start, 1, 'r1');
      person.writesIn(changes, 'undecryptable', start, 1, 'r2');
      person.writesIn(changes, 'repeat', start, 1, 'r3');
      person.writesIn(changes, 'repeat', start, 1, 'r1');
      outcomes.push(...changes.outcomes.map(({ id, outcome }) => `${id} ${outcome}`));
    });
    assert.deepEqual(outcomes, ['r1 received', 'r2 unreadable', 'r3 unreadable', 'r1 received']);
  });

  test('ONCE: and encrypted anew under the same id is one reply', async () => {
    const person = Person.reachable();
    const events = await person.turn((_, changes) => {
      for (const what of ['undecryptable', 'reply', 'reply'] as const) person.writesIn(changes, what, start, 1, 'r1');
    });
    assert.deepEqual(events, ['received r1']);
  });

  test('on a device that the log does not have is dropped', () => {
    assert.equal(verdictOf(Person.reachable().writes('reply', start, 9)), 'dropped: unknown_device');
  });

  test('with a stop word opts out and fails what is queued, not what a device may have', async () => {
    const person = await withPushedAndQueued();
    person.writes('stop');
    assert.equal(person.state.relations.get(business)?.optIn, 'opted_out');
    assert.deepEqual([...person.state.waiting.keys()], ['m1']);
    assert.equal(verdictOf(person.send()), 'optedOut');
  });

  test('while the device is attached everything may have been pushed, so a stop word fails nothing', async () => {
    const person = Person.reachable();
    await person.turn((_, changes) => {
      person.attach(changes, { incarnation: 0, number: 0 });
      person.sendIn(changes, 'm1');
    });
    person.writes('stop');
    assert.deepEqual([...person.state.waiting.keys()], ['m1']);
  });

  test('with a start word opts in again, with the time in the log', () => {
    const person = Person.reachable();
    person.writes('stop');
    person.writes('start', start + 5);
    const relation = person.state.relations.get(business);
    assert.deepEqual([relation?.optIn, relation?.givenAtMs], ['opted_in', start + 5]);
    assert.equal(verdictOf(person.send()), 'accepted');
  });
});

describe('a person', () => {
  test('who blocks ends everything that waits, pushed or not; unblocking lets new messages through', async () => {
    const person = await withPushedAndQueued();
    assert.deepEqual(await person.turn(command(block(true))), ['blocked', 'm1 failed (1026)', 'm2 failed (1026)']);
    assert.deepEqual(
      person.state.mailboxes.get(1)?.pending.map(({ removed }) => removed),
      [true, true],
      'a tombstone stays for each',
    );
    assert.equal(verdictOf(person.command(block(true))), 'dropped: unchanged');
    assert.deepEqual(await person.turn(command(block(false))), ['unblocked']);
    assert.equal(verdictOf(person.send()), 'accepted');
  });
});

describe('a cancellation', () => {
  test('succeeds for what no device may have', async () => {
    const person = await withPushedAndQueued();
    assert.deepEqual(await person.turn(command(cancel('m2'))), ['m2 cancelled']);
  });

  test('is too late for what a device may have, and for what has ended', async () => {
    const person = await withPushedAndQueued();
    assert.equal(verdictOf(person.command(cancel('m1'))), 'dropped: too_late');
    person.command(cancel('m2'));
    assert.equal(verdictOf(person.command(cancel('m2'))), 'dropped: too_late');
  });

  test('TENANT: by another business is as late as any', () => {
    const person = Person.reachable();
    person.send({ id: 'm' });
    const theirs: CommandInit = { case: 'cancel', value: { business: 'rail', messageId: 'm' } };
    assert.equal(verdictOf(person.command(theirs)), 'dropped: too_late');
    assert.ok(person.state.waiting.has('m'));
  });
});

describe('a tick', () => {
  test('expires at once what no device may have, and 5 min later what one may', async () => {
    const person = await withPushedAndQueued();
    const due = start + 30 * day;
    assert.deepEqual(await person.turn(command({ case: 'tick', value: {} }, due - 1)), []);
    assert.deepEqual(await person.turn(command({ case: 'tick', value: {} }, due)), ['m2 expired']);
    assert.deepEqual(await person.turn(command({ case: 'tick', value: {} }, due + 299_999)), []);
    assert.deepEqual(await person.turn(command({ case: 'tick', value: {} }, due + 300_000)), ['m1 expired']);
  });

  test('tries again what waits for prekeys, in the order of acceptance', async () => {
    const person = Person.reachable();
    person.hasPreKeys = false;
    const sends = (...ids: string[]) => person.turn((_, changes) => ids.forEach((id) => person.sendIn(changes, id)));
    assert.deepEqual(await sends('m1'), ['m1 accepted']);
    // The keys are there again, but m1 comes first.
    person.hasPreKeys = true;
    assert.deepEqual(await sends('m2', 'm3'), ['m2 accepted', 'm3 accepted']);
    assert.deepEqual(await person.turn(command({ case: 'tick', value: {} })), [
      'm1 sent',
      'm2 sent',
      'm3 sent',
      'envelope 1 to device 1: m1 under session 1',
      'envelope 2 to device 1: m2 under session 1',
      'envelope 3 to device 1: m3 under session 1',
    ]);
  });
});

describe('a new identity', () => {
  async function changed(policy: string): Promise<{ person: Person; lines: string[] }> {
    const person = Person.reachable();
    person.writes('reply');
    await person.turn((_, changes) => person.sendIn(changes, 'm1', { policy: { identity: policy } }));
    const identityKey = Buffer.from('identity-2');
    const lines = await person.turn(
      command({ case: 'deviceRegistered', value: { device: 2, registrationId: 2, identityKey, primary: true } }),
    );
    return { person, lines };
  }

  test('under hold holds what was not shown and what comes, until it is acknowledged', async () => {
    const { person, lines } = await changed('hold');
    assert.deepEqual(lines, ['identity changed, policy hold', 'unconfirmed by identity_changed']);
    assert.equal(verdictOf(person.send({ id: 'm2' })), 'accepted, held: identity');
    assert.deepEqual(person.state.relations.get(business)?.lastInboundMs, {}, 'the window is closed');
    assert.deepEqual(
      await person.turn(command(acknowledgeIdentity)),
      [
        'opted_in by business',
        'm1 sent',
        'm2 sent',
        'envelope 1 to device 2: m1 under session 1',
        'envelope 2 to device 2: m2 under session 1',
      ].filter((line) => line !== 'm1 sent'),
    );
  });

  test('under resend gets at once what was not shown', async () => {
    const { lines } = await changed('resend');
    assert.ok(lines.includes('envelope 1 to device 2: m1 under session 1'));
  });

  test('under fail ends what was not shown with 480', async () => {
    const { lines } = await changed('fail');
    assert.ok(lines.includes('m1 failed (480)'));
  });

  test('registered once more releases nothing: only an acknowledgement does', async () => {
    const { person } = await changed('hold');
    person.register(3, { identity: 'identity-2' });
    assert.equal(person.state.waiting.get('m1')?.held, 'identity');
    assert.deepEqual(await person.turn(command(acknowledgeIdentity)), [
      'opted_in by business',
      'envelope 1 to device 3: m1 under session 1',
    ]);
  });

  test('ORDER: holds what may be resent behind what is held, and one acknowledgement releases both', async () => {
    const person = Person.reachable();
    await person.turn((_, changes) => {
      person.sendIn(changes, 'm1', { policy: { identity: 'hold' } });
      person.sendIn(changes, 'm2', { policy: { identity: 'resend' } });
    });
    person.register(2, { identity: 'identity-2' });
    assert.deepEqual(
      [...person.state.waiting.values()].map(({ held }) => held),
      ['identity', 'identity'],
    );
    const lines = await person.turn(command(acknowledgeIdentity));
    assert.deepEqual(lines.slice(-2), [
      'envelope 1 to device 2: m1 under session 1',
      'envelope 2 to device 2: m2 under session 1',
    ]);
  });

  test('is none when the same identity registers anew: what waits goes to the new device', async () => {
    const person = Person.reachable();
    await person.turn((_, changes) => person.sendIn(changes, 'm1'));
    const identityKey = Buffer.from('identity-1');
    const lines = await person.turn(
      command({ case: 'deviceRegistered', value: { device: 2, registrationId: 2, identityKey, primary: true } }),
    );
    assert.deepEqual(lines, ['envelope 1 to device 2: m1 under session 1']);
  });
});

const entry = fc.record({
  gapMs: fc.constantFrom(0, 1, 3_600_000, day),
  kind: fc.constantFrom(
    ...(['send', 'marketing', 'service', 'reply', 'stop', 'start', 'block', 'unblock'] as const),
    ...(['optIn', 'optOut', 'cancel', 'register', 'newIdentity', 'acknowledgeIdentity', 'tick'] as const),
  ),
  /** Of a message, or of a device. */
  which: fc.integer({ min: 1, max: 6 }),
});

type Entry = ReturnType<typeof entry.generate>['value'];

test('a replay of the same log decides the same, wherever batches are cut', async () => {
  const log = fc.array(entry, { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(log, fc.integer({ min: 1, max: 40 }), async (entries, batch) => {
      assert.deepEqual(await replay(entries, batch), await replay(entries, 1));
    }),
  );
});

async function replay(entries: readonly Entry[], batch: number): Promise<string[]> {
  const person = Person.reachable();
  const decisions: string[] = [];
  let now = start;
  for (let from = 0; from < entries.length; from += batch) {
    await person.turn((_, changes) => {
      for (const one of entries.slice(from, from + batch)) {
        now += one.gapMs;
        const effects = decideOne(person, changes, one, now);
        decisions.push(effects.map((effect) => `${one.kind}: ${summaryOf(effect)}`).join('; '));
      }
    }, now);
  }
  return decisions;
}

function summaryOf(effect: Effect): string {
  if (effect.kind === 'accept')
    return `accept ${effect.message.messageId} for ${effect.message.price.micros} ${effect.held}`;
  if (effect.kind === 'refuse') return `refuse ${effect.message.messageId}: ${effect.failure.reason}`;
  if (effect.kind === 'end') return `${effect.state} ${effect.message.messageId}`;
  if (effect.kind === 'requeue') return `requeue ${effect.message.messageId} ${effect.held}`;
  return JSON.stringify(effect);
}

function decideOne(
  person: Person,
  changes: Parameters<Person['sendIn']>[0],
  { kind, which }: Entry,
  now: number,
): Effect[] {
  switch (kind) {
    case 'send':
    case 'marketing':
    case 'service': {
      const policy = { capCount: 2, capPeriodMs: BigInt(day), identity: which % 3 === 0 ? 'resend' : 'hold' };
      return person.sendIn(changes, `m${now}`, { category: kind === 'send' ? 'utility' : kind, policy }, now);
    }
    case 'reply':
    case 'stop':
    case 'start':
      return person.writesIn(changes, kind, now);
    case 'block':
    case 'unblock':
      return person.commandIn(changes, block(kind === 'block'), now);
    case 'optIn':
      return person.commandIn(changes, optIn, now);
    case 'optOut':
      return person.commandIn(changes, { case: 'optOut', value: { business } }, now);
    case 'cancel':
      return person.commandIn(changes, cancel([...person.state.waiting.keys()].at(which) ?? ''), now);
    case 'register':
    case 'newIdentity': {
      const identityKey = Buffer.from(kind === 'register' ? 'identity-1' : `identity-${which}`);
      const value = { device: which, registrationId: which, identityKey, primary: which % 2 === 0 };
      return person.commandIn(changes, { case: 'deviceRegistered', value }, now);
    }
    case 'acknowledgeIdentity':
      return person.commandIn(changes, acknowledgeIdentity, now);
    case 'tick':
      return person.commandIn(changes, { case: 'tick', value: {} }, now);
  }
}

test('an opt-in that was given before the person asked for no more messages ends nothing; a later one does', () => {
  const person = Person.reachable();
  person.writes('stop', start);
  const optInOf = (givenAtMs: number) =>
    person.command({ case: 'optIn', value: { business, givenAtMs: BigInt(givenAtMs) } }, start + day);
  optInOf(start - day);
  assert.equal(person.state.relations.get(business)?.optIn, 'opted_out');
  optInOf(start + 1);
  assert.equal(person.state.relations.get(business)?.optIn, 'opted_in');
});
