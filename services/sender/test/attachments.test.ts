/** What is pushed to an attached device, and through which stream: bounds, and devices that come and go. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { DeviceRefSchema, type DeviceRef } from '@chappe/proto/internal/sender_service';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { Attachments } from '../src/attachments.ts';
import type { DeviceSink, PushedEnvelope } from '../src/device-work.ts';
import { windowBytesMax } from '../src/limits.ts';
import { envelopesTable } from '../src/tables.ts';
import { until } from './attach-of.ts';
import { migrateSender } from './one-range.ts';

const contact = '33612345678';
const fromStart = { pushedNo: 0, isSameCount: true };

interface Sink extends DeviceSink {
  readonly pushes: (readonly PushedEnvelope[])[];
  readonly refusals: string[];
}

function sinkOf(): Sink {
  const [pushes, refusals]: [(readonly PushedEnvelope[])[], string[]] = [[], []];
  return {
    closed: false,
    pushes,
    refusals,
    push: (_device, _epoch, _incarnation, envelopes) => void pushes.push(envelopes),
    forget: () => undefined,
    outcome: () => undefined,
    refuse: (_device, reason) => void refusals.push(reason),
  };
}

function connection(connectionNo: bigint): DeviceRef {
  return create(DeviceRefSchema, { contact, device: 1, connectionNo });
}

/** A mailbox with envelopes 1 to `count` of so many bytes. */
async function mailboxOf(t: TestContext, count: number, bytes: number): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-attachments-'));
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  t.after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  await migrateSender(store);
  const rows = Array.from({ length: count }, (_, index) => {
    return [contact, 1, index + 1, `m${index + 1}`, '33100000000', 1, 1, new Uint8Array(bytes)];
  });
  await store.transaction((tx) => tx.insert(envelopesTable, rows, 'fail'));
  return store;
}

function attachmentsOf(store: Store): Attachments {
  return new Attachments({
    store,
    pushing: { range: 'r1', epoch: 1 },
    onProblem: (error) => assert.fail(String(error)),
    onAcknowledged: () => undefined,
  });
}

function numbersOf(pushes: readonly (readonly PushedEnvelope[])[]): number[] {
  return pushes.flat().map((each) => (each.kind === 'envelope' ? each.envelopeNo : -each.through));
}

test('BOUND: a push keeps to the window in bytes, whatever the envelopes weigh, and goes on when there is room', async (t) => {
  const [count, bytes] = [250, 3_000];
  const attachments = attachmentsOf(await mailboxOf(t, count, bytes));
  const sink = sinkOf();
  attachments.attach(connection(1n), sink, { incarnation: 1, acknowledgedNo: 0 }, fromStart);
  let acknowledged = 0;
  while (acknowledged < count) {
    await until(() => sink.pushes.flat().length > acknowledged);
    const pushed = sink.pushes.flat().length;
    assert.ok((pushed - acknowledged) * bytes < windowBytesMax + bytes, `${pushed - acknowledged} envelopes in flight`);
    acknowledged = pushed;
    attachments.settled(contact, 1, 1, acknowledged);
  }
  assert.deepEqual(
    numbersOf(sink.pushes),
    Array.from({ length: count }, (_, index) => index + 1),
  );
});

test('a stream that ends takes off only what is attached through it', async (t) => {
  const attachments = attachmentsOf(await mailboxOf(t, 0, 0));
  const [former, present] = [sinkOf(), sinkOf()];
  const device = connection(1n);
  attachments.attach(device, former, { incarnation: 1, acknowledgedNo: 0 }, fromStart);
  attachments.attach(device, present, { incarnation: 1, acknowledgedNo: 0 }, fromStart);
  attachments.detach(device, former);
  assert.equal(attachments.pushedNoOf(device, present), 0);
  attachments.detach(device, present);
  assert.equal(attachments.size, 0);
});

test('what another connection of the device has acknowledged meanwhile becomes a gap', async (t) => {
  const attachments = attachmentsOf(await mailboxOf(t, 5, 10));
  const sink = sinkOf();
  attachments.attach(connection(2n), sink, { incarnation: 1, acknowledgedNo: 0 }, fromStart);
  // The mailbox is being read while the acknowledgement of the older connection is committed.
  attachments.settled(contact, 1, 1, 3);
  await until(() => sink.pushes.flat().length >= 3);
  assert.deepEqual(numbersOf(sink.pushes), [-3, 4, 5]);
  const [gap] = sink.pushes.flat();
  assert.deepEqual(gap, { kind: 'removed', from: 1, through: 3, acknowledged: true });
});

test('a device that the contact has no more is told so', async (t) => {
  const attachments = attachmentsOf(await mailboxOf(t, 0, 0));
  const sink = sinkOf();
  attachments.attach(connection(1n), sink, { incarnation: 1, acknowledgedNo: 0 }, fromStart);
  attachments.remove(contact, 1);
  attachments.remove(contact, 2);
  assert.deepEqual([sink.refusals, attachments.size], [['unknown_device'], 0]);
});
