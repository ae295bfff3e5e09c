/** How devices follow their range: attach, push, acknowledge, forget, takeovers, refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RefusedReason, type DeviceAttach } from '@chappe/proto/internal/sender_service';
import { ConnectedDevice } from './connected-device.ts';
import { contact, putRange, putShard, refusedWith, startHarness, type Harness } from './harness.ts';
import { envelopes, ShardPeer } from './shard-peer.ts';

/** A relay, one shard that owns everything under epoch 1, and one registered device. */
interface Run extends AsyncDisposable {
  readonly harness: Harness;
  readonly shard: ShardPeer;
  readonly credential: string;
}

async function startWithShard(): Promise<Run> {
  const stack = new AsyncDisposableStack();
  const shard = stack.use(await ShardPeer.start());
  const harness = stack.use(await startHarness());
  await putShard(harness.coordination, 's-1', shard.address);
  await putRange(harness.coordination, { owner: 's-1' });
  const { credential } = await harness.register();
  return { harness, shard, credential, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** A device that has nothing yet, and what the shard is told of it. */
async function attachedDevice({
  harness,
  shard,
  credential,
}: Run): Promise<{ device: ConnectedDevice; attach: DeviceAttach }> {
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  const { value: attach } = await shard.next('attach');
  return { device, attach };
}

test('envelopes reach the device, its acknowledgement the shard, and forget comes back', async () => {
  await using run = await startWithShard();
  const { harness, shard, credential } = run;
  const device = new ConnectedDevice(harness, credential);
  await device.resume(1, 4n);
  const { value: attach } = await shard.next('attach');
  assert.deepEqual([attach.device?.contact, attach.device?.device], [contact, 1]);
  assert.deepEqual([attach.resume?.incarnation, attach.resume?.number], [1, 4n]);

  await shard.push(attach.device, 1n, envelopes(5, 7));
  assert.deepEqual(await device.numbers(3), [5n, 6n, 7n]);
  await device.send({
    case: 'acknowledge',
    value: {
      incarnation: 1,
      through: 7n,
      undecryptable: [{ number: 6n, from: '33600000001', sessionNo: 1, reason: 'invalid' }],
    },
  });
  const { value: acknowledged } = await shard.next('acknowledge');
  assert.deepEqual([acknowledged.device, acknowledged.acknowledge?.through], [attach.device, 7n]);
  assert.deepEqual(
    acknowledged.acknowledge?.undecryptable.map(({ number }) => number),
    [6n],
  );
  await device.send({ case: 'read', value: { messageIds: ['m-1', 'm-2'] } });
  assert.deepEqual((await shard.next('read')).value.messageIds, ['m-1', 'm-2']);

  await shard.forget(attach.device, 1, 7n);
  assert.equal((await device.next('forget')).through, 7n);
  device.cancel();
  assert.deepEqual((await shard.next('detach')).value.device, attach.device);
});

test('what became of replies reaches the device gathered, and no more than it can wait for', async () => {
  await using run = await startWithShard();
  const { shard } = run;
  const { device, attach } = await attachedDevice(run);
  await shard.outcomes(
    attach.device,
    { received: ['o-1'] },
    { received: ['o-2'], unreadable: [{ id: 'o-3', attempt: 1 }] },
  );
  const { received, unreadable } = await device.next('outcome');
  assert.deepEqual(received, ['o-1', 'o-2']);
  assert.deepEqual(
    unreadable.map(({ id, attempt }) => [id, attempt]),
    [['o-3', 1]],
  );
  const many = Array.from({ length: 200 }, (_, index) => `m-${index}`);
  await shard.outcomes(attach.device, { received: many }, { received: many });
  assert.equal((await device.next('outcome')).received.length, 256);
  device.cancel();
});

test('a new connection of a device has a higher number, and pushes for the old one are dropped', async () => {
  await using run = await startWithShard();
  const { harness, shard, credential } = run;
  const older = new ConnectedDevice(harness, credential);
  await older.resume();
  const { value: first } = await shard.next('attach');
  const newer = new ConnectedDevice(harness, credential);
  await newer.resume();
  const { value: second } = await shard.next('attach');
  assert.ok((second.device?.connectionNo ?? 0n) > (first.device?.connectionNo ?? 0n));
  await assert.rejects(older.next('envelopes'), refusedWith('alreadyExists'));
  await shard.push(first.device, 1n, envelopes(1, 3));
  await shard.push(second.device, 1n, envelopes(1, 1));
  await shard.push(second.device, 1n, envelopes(2, 2));
  assert.deepEqual(await newer.numbers(2), [1n, 2n]);
  newer.cancel();
});

test('after a takeover the device is attached at the new owner, with what is not confirmed', async () => {
  await using run = await startWithShard();
  const { harness, shard, credential } = run;
  await using successor = await ShardPeer.start();
  const device = new ConnectedDevice(harness, credential);
  await device.resume();
  const { value: attach } = await shard.next('attach');
  await shard.push(attach.device, 1n, envelopes(1, 3));
  await device.numbers(3);
  await device.send({ case: 'acknowledge', value: { incarnation: 1, through: 2n } });
  await device.send({ case: 'read', value: { messageIds: ['m-1'] } });
  await shard.next('read');

  await putShard(harness.coordination, 's-2', successor.address);
  await putRange(harness.coordination, { owner: 's-2', epoch: 2 });
  const { value: again } = await successor.next('attach');
  assert.equal(again.device?.connectionNo, attach.device?.connectionNo);
  assert.deepEqual([again.resume?.incarnation, again.resume?.number], [1, 3n]);
  assert.equal((await successor.next('acknowledge')).value.acknowledge?.through, 2n);
  assert.deepEqual((await successor.next('read')).value.messageIds, ['m-1']);
  await shard.next('detach');

  // The former owner wakes up late; then the new one, and one that is older than it.
  await shard.push(attach.device, 1n, envelopes(4, 4));
  await successor.push(again.device, 1n, envelopes(4, 4));
  await successor.forget(again.device, 1, 2n);
  await device.next('forget');
  await successor.push(again.device, 2n, envelopes(4, 5));
  assert.deepEqual(await device.numbers(2), [4n, 5n]);
  device.cancel();
});

test('a new epoch of the same owner attaches anew, and a lower one is refused from then on', async () => {
  await using run = await startWithShard();
  const { harness, shard } = run;
  const { device, attach } = await attachedDevice(run);
  await putRange(harness.coordination, { owner: 's-1', epoch: 5 });
  await shard.next('attach');
  await shard.push(attach.device, 4n, envelopes(1, 1));
  await shard.push(attach.device, 6n, envelopes(1, 2));
  await shard.push(attach.device, 5n, envelopes(3, 3));
  await shard.push(attach.device, 6n, envelopes(3, 4));
  assert.deepEqual(await device.numbers(4), [1n, 2n, 3n, 4n]);
  const metrics = await harness.metrics();
  assert.match(metrics, /dropped_pushes_total\{reason="lower_epoch"\} 2/);
  device.cancel();
});

test('a broken stream is opened again and everything unconfirmed is repeated until forget', async () => {
  await using run = await startWithShard();
  const { harness, shard, credential } = run;
  const device = new ConnectedDevice(harness, credential);
  await device.resume(1, 9n);
  const { value: attach } = await shard.next('attach');
  await device.send({ case: 'acknowledge', value: { incarnation: 1, through: 8n } });
  await shard.next('acknowledge');
  shard.breakStream();
  const again = await shard.next('attach');
  assert.deepEqual([again.stream, again.value.resume?.number], [2, 9n]);
  assert.equal((await shard.next('acknowledge')).value.acknowledge?.through, 8n);

  await shard.forget(attach.device, 1, 8n);
  await device.next('forget');
  shard.breakStream();
  assert.equal((await shard.next('attach')).stream, 3);
  await device.send({ case: 'acknowledge', value: { incarnation: 1, through: 9n } });
  assert.equal((await shard.next('acknowledge')).value.acknowledge?.through, 9n);
  device.cancel();
});

test('a device that asks again is attached anew, and what was under way is dropped', async () => {
  await using run = await startWithShard();
  const { shard } = run;
  const { device, attach } = await attachedDevice(run);
  await shard.push(attach.device, 1n, envelopes(1, 3));
  await device.numbers(3);
  await device.resume(1, 1n);
  const { value: again } = await shard.next('attach');
  assert.equal(again.resume?.number, 1n);
  await shard.push(attach.device, 1n, envelopes(4, 5));
  await shard.push(attach.device, 1n, envelopes(2, 4));
  assert.deepEqual(await device.numbers(3), [2n, 3n, 4n]);
  device.cancel();
});

test('repeats are dropped, and a gap makes the relay attach anew', async () => {
  await using run = await startWithShard();
  const { shard } = run;
  const { device, attach } = await attachedDevice(run);
  await shard.push(attach.device, 1n, envelopes(1, 3));
  await shard.push(attach.device, 1n, envelopes(2, 4));
  assert.deepEqual(await device.numbers(4), [1n, 2n, 3n, 4n]);
  await shard.push(attach.device, 1n, envelopes(6, 6));
  assert.equal((await shard.next('attach')).value.resume?.number, 4n);
  device.cancel();
});

test('a shard that is not the owner yet is asked again', async () => {
  await using run = await startWithShard();
  const { shard } = run;
  const { device, attach } = await attachedDevice(run);
  await shard.refuse(attach.device, RefusedReason.NOT_OWNER);
  const { value: again } = await shard.next('attach');
  await shard.refuse(again.device, RefusedReason.UNKNOWN_DEVICE);
  const { value: known } = await shard.next('attach');
  await shard.push(known.device, 1n, envelopes(1, 1));
  assert.deepEqual(await device.numbers(1), [1n]);
  await shard.refuse(attach.device, RefusedReason.SUPERSEDED);
  await assert.rejects(device.next('envelopes'), refusedWith('alreadyExists'));
});

test('NO-LOSS: what an earlier attachment still brings after a refusal is not the beginning of a mailbox', async () => {
  await using run = await startWithShard();
  const { shard } = run;
  const { device, attach } = await attachedDevice(run);
  // A refusal of the former owner's comes late: what the present one pushes meanwhile is dropped.
  await shard.refuse(attach.device, RefusedReason.NOT_OWNER);
  await shard.push(attach.device, 1n, envelopes(1, 2));
  const { value: again } = await shard.next('attach');
  assert.equal(again.resume?.number, 0n);
  await shard.push(attach.device, 1n, envelopes(3, 4));
  await shard.push(again.device, 1n, envelopes(1, 4));
  assert.deepEqual(await device.numbers(4), [1n, 2n, 3n, 4n]);
});

test('a slow device gets everything, in order, though the relay keeps only a window for it', async () => {
  await using run = await startWithShard();
  const { harness, shard } = run;
  const { device, attach } = await attachedDevice(run);
  await shard.push(attach.device, 1n, envelopes(1, 1));
  await device.numbers(1);
  // From here on the device reads nothing until the relay has begun to drop.
  let pushed = 1;
  while (!/reason="slow_device"\} [1-9]/.test(await harness.metrics())) {
    await shard.push(attach.device, 1n, envelopes(pushed + 1, pushed + 60, 4_000));
    pushed += 60;
  }
  const received = device.numbers(pushed - 1);
  // Attached anew when the device has caught up; from there on a window at a time, as a range worker does.
  const first = Number((await shard.next('attach')).value.resume?.number) + 1;
  assert.ok(first > 1 && first <= pushed);
  for (let from = first; from <= pushed; from += 60) {
    const through = Math.min(from + 59, pushed);
    await shard.push(attach.device, 1n, envelopes(from, through, 4_000));
    await device.send({ case: 'acknowledge', value: { incarnation: 1, through: BigInt(through) } });
    await shard.next('acknowledge');
  }
  assert.deepEqual(
    await received,
    Array.from({ length: pushed - 1 }, (_, index) => BigInt(index + 2)),
  );
  device.cancel();
});

test('several devices share one frame', async () => {
  await using run = await startWithShard();
  const { harness, shard, credential } = run;
  const { linkCode } = await harness.device(credential).createLinkCode({});
  const second = await harness.link(linkCode);
  const devices = [new ConnectedDevice(harness, credential), new ConnectedDevice(harness, second.credential)];
  for (const device of devices) await device.resume();
  await shard.next('attach');
  await shard.next('attach');
  shard.requests.length = 0;
  shard.breakStream();
  await shard.next('attach');
  await shard.next('attach');
  assert.equal(shard.requests.length, 1);
  for (const device of devices) device.cancel();
});
