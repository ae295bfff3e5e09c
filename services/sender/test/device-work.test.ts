/** What devices say, as transcripts: each step, and under it what happened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnshownReason } from '@chappe/proto/device/device_service';
import { makeFormerAnew } from '../src/device-work.ts';
import { sessionKey } from '../src/state.ts';
import { number, Person } from './person.ts';

type Step = Parameters<Person['turn']>[0];

const steps = {
  'attach from nothing': (person, changes) => void person.attach(changes, { incarnation: 0, number: 0 }),
  'send m1 m2 m3': (person, changes) => ['m1', 'm2', 'm3'].forEach((id) => person.sendIn(changes, id)),
  'send m4': (person, changes) => void person.sendIn(changes, 'm4'),
  'acknowledge 1': (person, changes) => person.acknowledge(changes, 1),
  'acknowledge 2': (person, changes) => person.acknowledge(changes, 2),
  'acknowledge 3': (person, changes) => person.acknowledge(changes, 3),
  'acknowledge 9': (person, changes) => person.acknowledge(changes, 9),
  'acknowledge 3 of another incarnation': (person, changes) => person.acknowledge(changes, 3, [], { incarnation: 7 }),
  'acknowledge 3, session 1 unreadable from 2': (person, changes) =>
    person.acknowledge(changes, 3, [{ number: 2, sessionNo: 1 }]),
  'acknowledge 5, session 2 unreadable from 4': (person, changes) =>
    person.acknowledge(changes, 5, [{ number: 4, sessionNo: 2 }]),
  'acknowledge 7, session 3 unreadable from 6': (person, changes) =>
    person.acknowledge(changes, 7, [{ number: 6, sessionNo: 3 }]),
  'acknowledge 3, 1 expired, 2 blocked': (person, changes) =>
    person.acknowledge(changes, 3, [], {
      unshown: [
        [1, UnshownReason.EXPIRED],
        [2, UnshownReason.BLOCKED],
      ],
    }),
  'device starts session 2, send m4': (person, changes) => {
    const former = person.state.sessions.get(sessionKey(number, 1));
    assert.ok(former !== undefined);
    makeFormerAnew(changes, person.state, { number, device: 1, sessionNo: 2 });
    changes.setSession(person.state, { ...former, sessionNo: 2 });
    person.sendIn(changes, 'm4');
  },
  'acknowledge 8, session 4 readable': (person, changes) => person.acknowledge(changes, 8),
} satisfies Record<string, Step>;

async function play(...names: (keyof typeof steps)[]): Promise<string> {
  const person = Person.reachable();
  const lines: string[] = [];
  for (const name of names) {
    lines.push(`> ${name}`, ...(await person.turn(steps[name])).map((line) => `  ${line}`));
  }
  return `${lines.join('\n')}\n`;
}

test('an acknowledgement delivers everything up to it, once', async () => {
  assert.equal(
    await play('send m1 m2 m3', 'acknowledge 2', 'acknowledge 1', 'acknowledge 2', 'acknowledge 9', 'acknowledge 9'),
    `> send m1 m2 m3
  m1 accepted
  m2 accepted
  m3 accepted
  m1 sent
  m2 sent
  m3 sent
  envelope 1 to device 1: m1 under session 1
  envelope 2 to device 1: m2 under session 1
  envelope 3 to device 1: m3 under session 1
> acknowledge 2
  m1 delivered
  m2 delivered
> acknowledge 1
> acknowledge 2
> acknowledge 9
  m3 delivered
> acknowledge 9
`,
  );
});

test('what a device does not show is not delivered', async () => {
  assert.match(
    await play('send m1 m2 m3', 'acknowledge 3, 1 expired, 2 blocked', 'acknowledge 9'),
    /> acknowledge 3, 1 expired, 2 blocked\n {2}m1 expired\n {2}m2 failed \(1026\)\n {2}m3 delivered\n> acknowledge 9\n$/,
  );
});

test('what one device does not show another one may: the message has ended when the last one has settled it', async () => {
  const person = Person.reachable();
  person.register(2, { primary: false });
  await person.turn((_, changes) => void person.sendIn(changes, 'm1'));
  const unshownOn = (device: number): Promise<string[]> =>
    person.turn((_, changes) => person.acknowledge(changes, 1, [], { device, unshown: [[1, UnshownReason.EXPIRED]] }));
  assert.deepEqual(await unshownOn(1), []);
  assert.deepEqual(await unshownOn(2), ['m1 expired']);
});

test('an acknowledgement that counts in another incarnation changes nothing', async () => {
  assert.match(
    await play('send m1 m2 m3', 'acknowledge 3 of another incarnation', 'acknowledge 3'),
    /> acknowledge 3 of another incarnation\n> acknowledge 3\n {2}m1 delivered\n/,
  );
});

test('ORDER: what a device cannot read, and all behind it in that session, is made anew behind the present ones', async () => {
  assert.equal(
    (await play('send m1 m2 m3', 'acknowledge 3, session 1 unreadable from 2', 'send m4', 'acknowledge 9')).split(
      '> acknowledge 3',
    )[1],
    `, session 1 unreadable from 2
  m1 delivered
  envelope 4 to device 1: m2 under session 2
  envelope 5 to device 1: m3 under session 2
> send m4
  m4 accepted
  m4 sent
  envelope 6 to device 1: m4 under session 2
> acknowledge 9
  m2 delivered
  m3 delivered
  m4 delivered
`,
  );
});

test('ORDER: what waits under sessions that the device has replaced goes out before what comes later', async () => {
  assert.equal(
    (
      await play('send m1 m2 m3', 'acknowledge 1', 'device starts session 2, send m4', 'acknowledge 3', 'acknowledge 9')
    ).split('> device')[1],
    ` starts session 2, send m4
  m4 accepted
  m4 sent
  envelope 4 to device 1: m2 under session 2
  envelope 5 to device 1: m3 under session 2
  envelope 6 to device 1: m4 under session 2
> acknowledge 3
> acknowledge 9
  m2 delivered
  m3 delivered
  m4 delivered
`,
  );
});

test('a repeated report makes nothing anew', async () => {
  const once = await play('send m1 m2 m3', 'acknowledge 3, session 1 unreadable from 2');
  const twice = await play(
    'send m1 m2 m3',
    'acknowledge 3, session 1 unreadable from 2',
    'acknowledge 3, session 1 unreadable from 2',
  );
  assert.equal(twice, `${once}> acknowledge 3, session 1 unreadable from 2\n`);
});

test('after three sessions a message fails with 3003, and the next one comes under yet another session', async () => {
  const transcript = await play(
    'send m1 m2 m3',
    'acknowledge 3, session 1 unreadable from 2',
    'acknowledge 5, session 2 unreadable from 4',
    'acknowledge 7, session 3 unreadable from 6',
    'send m4',
    'acknowledge 8, session 4 readable',
  );
  assert.equal(
    transcript.slice(transcript.indexOf('> acknowledge 5')),
    `> acknowledge 5, session 2 unreadable from 4
  envelope 6 to device 1: m2 under session 3
  envelope 7 to device 1: m3 under session 3
> acknowledge 7, session 3 unreadable from 6
  m2 failed (3003)
  m3 failed (3003)
> send m4
  m4 accepted
  m4 sent
  envelope 8 to device 1: m4 under session 4
> acknowledge 8, session 4 readable
  m4 delivered
`,
  );
});

test('a device that was restored from an older state goes on from there', async () => {
  const person = Person.reachable();
  await person.turn(steps['send m1 m2 m3']);
  await person.turn(steps['acknowledge 2']);
  await person.turn((_, changes) => {
    assert.equal(person.attach(changes, { incarnation: 1, number: 1 }), 1);
  });
  assert.deepEqual([person.state.mailboxes.get(1)?.incarnation, person.state.mailboxes.get(1)?.acknowledgedNo], [1, 2]);
});

for (const [what, resume] of [
  ['more envelopes than the store', { incarnation: 1, number: 4 }],
  ['a higher incarnation than the store', { incarnation: 3, number: 1 }],
] as const) {
  test(`SECRET, NO-LOSS: a device that knows of ${what} gets a new count, and every session is started anew`, async () => {
    const person = Person.reachable();
    await person.turn(steps['send m1 m2 m3']);
    await person.turn((_, changes) => {
      assert.equal(person.attach(changes, resume), 0);
    });
    const { incarnation } = person.state.mailboxes.get(1) ?? { incarnation: 0 };
    assert.ok(incarnation > resume.incarnation, 'the device takes only what is higher than what it has');
    // The lost transactions may have used the keys that the session as it is stored gives next.
    const lines = await person.turn(steps['send m4']);
    assert.equal(lines.at(-1), 'envelope 4 to device 1: m4 under session 2');
  });
}

test('whatever is unreadable, nothing is delivered that the device did not take (NO-LOSS)', async () => {
  const person = Person.reachable();
  await person.turn(steps['send m1 m2 m3']);
  await person.turn(steps['acknowledge 3, session 1 unreadable from 2']);
  assert.deepEqual([...person.state.waiting.keys()], ['m2', 'm3']);
  assert.equal(person.state.sessions.get(`${number}/1`)?.sessionNo, 2);
});
