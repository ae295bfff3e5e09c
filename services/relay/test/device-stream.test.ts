/** What devices bring in: confirmed only when the log has it, bounded, in order, refused by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import type { Log } from '@chappe/log/log';
import { CiphertextType } from '@chappe/proto/device/device_service';
import { CommandSchema } from '@chappe/proto/internal/commands';
import { ConnectedDevice } from './connected-device.ts';
import { businessNumber, contact, makeKeys, refusedWith, startHarness } from './harness.ts';

const outbound = (
  id: string,
  to = businessNumber,
): { id: string; to: string; ciphertext: Uint8Array; type: CiphertextType } => ({
  id,
  to,
  ciphertext: new Uint8Array([1, 2, 3]),
  type: CiphertextType.WHISPER,
});

test('replies and blocks are in the log, in order, when they are confirmed', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register();
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  await device.send({ case: 'outbound', value: { ...outbound('o-1'), attempt: 2 } });
  await device.send({ case: 'block', value: { id: 'b-1', number: businessNumber, blocked: true } });
  const confirmed: string[] = [];
  while (confirmed.length < 2) confirmed.push(...(await device.next('confirmed')).ids);
  assert.deepEqual(confirmed, ['o-1', 'b-1']);

  const [, reply, block] = await harness.log.readAt('range-r-1', 0, 10);
  assert.ok(reply && block);
  assert.deepEqual([reply.key, reply.headers], [contact, { kind: 'inbound', id: '1:o-1', version: 1 }]);
  assert.deepEqual([block.key, block.headers], [contact, { kind: 'block', id: '1:b-1', version: 1 }]);
  const inbound = fromBinary(CommandSchema, reply.value).kind;
  assert.ok(inbound.case === 'inbound');
  const { business, number, device: from, attempt } = inbound.value;
  assert.deepEqual([business, number, from, attempt], ['b-1', businessNumber, 1, 2]);
  const blocked = fromBinary(CommandSchema, block.value).kind;
  assert.ok(blocked.case === 'block');
  assert.deepEqual([blocked.value.business, blocked.value.blocked], ['b-1', true]);
  device.cancel();
});

test('nothing is confirmed while the log has not answered, and at most 64 frames wait for it', async () => {
  const gate = { open: Promise.withResolvers<void>(), closed: false, records: 0 };
  const before = (log: Log): Log =>
    new Proxy(log, {
      get(target, name) {
        if (name !== 'append') return bound(target, name);
        return async (appends: Parameters<Log['append']>[0]) => {
          gate.records += appends.flatMap(({ records }) => records).length;
          if (gate.closed) await gate.open.promise;
          return target.append(appends);
        };
      },
    });
  await using harness = await startHarness({ before });
  const { credential } = await harness.register();
  gate.closed = true;
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  for (let no = 0; no < 100; no += 1) await device.send({ case: 'outbound', value: outbound(`o-${no}`) });
  // The answer to a call made afterwards: what was sent before it has been read as far as it will be.
  await harness.device(credential).createLinkCode({});
  assert.equal(await harness.log.end('range-r-1'), 1);
  assert.ok(gate.records <= 1 + 64);

  gate.open.resolve();
  const confirmed: string[] = [];
  while (confirmed.length < 100) {
    const { ids } = await device.next('confirmed');
    confirmed.push(...ids);
    assert.ok((await harness.log.end('range-r-1')) > confirmed.length);
  }
  assert.deepEqual(
    confirmed,
    Array.from({ length: 100 }, (_, no) => `o-${no}`),
  );
  device.cancel();
});

test('a reply to an unknown number is refused on the stream, which goes on', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register();
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  await device.send({ case: 'outbound', value: outbound('o-1', '33699999999') });
  assert.deepEqual([(await device.next('refused')).id, 1006], ['o-1', 1006]);
  await device.send({ case: 'block', value: { id: 'b-1', number: 'x', blocked: true } });
  const refused = await device.next('refused');
  assert.deepEqual([refused.id, refused.code], ['b-1', 1006]);
  await device.send({ case: 'outbound', value: { ...outbound('o-2'), ciphertext: new Uint8Array(40_000) } });
  assert.equal((await device.next('refused')).code, 1025);
  await device.send({ case: 'outbound', value: outbound('o-3') });
  assert.deepEqual((await device.next('confirmed')).ids, ['o-3']);
  device.cancel();
});

test('a number that was announced a moment ago is known', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register();
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  const value = JSON.stringify({ business: 'b-2', name: 'New' });
  await harness.coordination.transact([], [{ kind: 'put', key: 'numbers/33600000002', value }]);
  await device.send({ case: 'outbound', value: outbound('o-1', '33600000002') });
  assert.deepEqual((await device.next('confirmed')).ids, ['o-1']);
  device.cancel();
});

test('frames that break the protocol end the stream', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register();
  const bad: Parameters<ConnectedDevice['send']>[0][] = [
    { case: 'read', value: { messageIds: Array.from({ length: 101 }, String) } },
    { case: 'outbound', value: outbound('') },
    { case: 'block', value: { id: 'x'.repeat(65), number: businessNumber, blocked: true } },
    { case: undefined },
    { case: 'resume', value: { incarnation: 2 ** 32 - 1 } },
    { case: 'acknowledge', value: { incarnation: 1, undecryptable: [{ number: 1n, reason: 'x'.repeat(33) }] } },
    { case: 'acknowledge', value: { incarnation: 1, undecryptable: [{ number: 1n, from: '1'.repeat(16) }] } },
    {
      case: 'acknowledge',
      value: {
        incarnation: 1,
        through: 1_001n,
        undecryptable: Array.from({ length: 1_001 }, (_, no) => ({ number: BigInt(no) })),
      },
    },
  ];
  const first = new ConnectedDevice(harness, credential);
  await first.send({ case: 'read', value: { messageIds: ['m'] } });
  await assert.rejects(first.next('forget'), refusedWith('invalidRequest', /first frame is Resume/));
  for (const frame of bad) {
    const device = new ConnectedDevice(harness, credential);
    await device.resume();
    await device.send(frame);
    await assert.rejects(device.next('forget'), refusedWith('invalidRequest'));
  }
});

test('a newer stream of a device ends the older one', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register(makeKeys(3));
  const older = new ConnectedDevice(harness, credential);
  await older.resume();
  await older.next('refillPreKeys');
  const newer = new ConnectedDevice(harness, credential);
  await newer.resume();
  await newer.next('refillPreKeys');
  await assert.rejects(older.next('forget'), refusedWith('alreadyExists'));
  await newer.send({ case: 'outbound', value: outbound('o-1') });
  assert.deepEqual((await newer.next('confirmed')).ids, ['o-1']);
  newer.cancel();
});

test('a device without a credential is turned away, and one that was replaced loses its stream', async () => {
  await using harness = await startHarness();
  await assert.rejects(new ConnectedDevice(harness, 'nonsense').next('forget'), refusedWith('unauthenticated'));
  const { credential } = await harness.register();
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  await device.next('refillPreKeys');
  await harness.register();
  await assert.rejects(device.next('forget'), refusedWith('unauthenticated'));
});

test('a device that runs low on prekeys is asked for more', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register(makeKeys(21));
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  // Connected with enough; two claims later there are 19.
  await device.send({ case: 'outbound', value: outbound('o-1') });
  await device.next('confirmed');
  const claims = ['a', 'b'].map((claimId) => ({ claimId, contact, device: 1 }));
  await harness.preKeys.claim({ claims });
  assert.equal((await device.next('refillPreKeys')).count, 100);
  device.cancel();
});

function bound(log: Log, name: string | symbol): unknown {
  const value: unknown = Reflect.get(log, name, log);
  return typeof value === 'function' ? value.bind(log) : value;
}
