import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { ResumeSchema } from '@chappe/proto/device/device_service';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { DeviceRefSchema } from '@chappe/proto/internal/sender_service';
import { PriceBooks, type PriceBook } from '@chappe/rating/price-book';
import { Channel } from '@chappe/rpc/client';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import type { DeviceWork } from '../src/device-work.ts';
import { openSenderEvents } from '../src/events.ts';
import { RangeWorker, type WorkerEnd } from '../src/range-worker.ts';
import { claim, migrateSender, range } from './one-range.ts';

const freeBook: PriceBook = {
  version: 'free',
  effectiveFromMs: 0,
  currency: 'EUR',
  source: 'a test',
  default: { marketing: 0, utility: 0, authentication: 0, service: 0 },
  countries: {},
};

async function startWorker(t: TestContext): Promise<{ store: Store; worker: RangeWorker; ended: Promise<WorkerEnd> }> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-worker-'));
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  // Nobody is there: what devices say needs neither crypto nor prekeys.
  const channel = new Channel({ address: '127.0.0.1:1' });
  await migrateSender(store);
  await log.createTopic(range.topic);
  const { log: logger, metrics } = openTelemetry({ service: 'test', level: 'fatal' });
  const worker = new RangeWorker(range, await claim(store, 1, 'one'), {
    log,
    store,
    crypto: channel.client(CryptoService),
    preKeys: channel.client(PreKeyService),
    books: PriceBooks.of([freeBook]),
    events: openSenderEvents('s1', logger, metrics, { ranges: () => 1, attachedDevices: () => 0 }),
    logger,
    eventBuckets: 1,
    now: Date.now,
  });
  const ended = worker.run(await log.openReader(range.topic, 0, 'test'));
  t.after(async () => {
    await worker.stop();
    channel[Symbol.dispose]();
    await log[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return { store, worker, ended };
}

/** A device that attaches, and what its relay is told. */
function attachOf(contact: string): { work: DeviceWork; refusals: string[] } {
  const refusals: string[] = [];
  const work: DeviceWork = {
    kind: 'attach',
    device: create(DeviceRefSchema, { contact, device: 1, connectionNo: 1n }),
    resume: create(ResumeSchema),
    sink: {
      closed: false,
      push: () => assert.fail('nothing is pushed'),
      forget: () => undefined,
      refuse: (_device, reason) => refusals.push(reason),
    },
  };
  return { work, refusals };
}

test('a relay whose device came to a worker that has ended hears that it is not the owner', async (t) => {
  const { worker, ended } = await startWorker(t);
  await worker.stop();
  await ended;
  const { work, refusals } = attachOf('33612345678');
  await worker.takeDeviceWork(work);
  assert.deepEqual(refusals, ['not_owner']);
});

test('a relay whose device was in the turn that found the range taken hears that it is not the owner', async (t) => {
  const { store, worker, ended } = await startWorker(t);
  await claim(store, 2, 'two');
  const { work, refusals } = attachOf('33612345678');
  await worker.takeDeviceWork(work);
  assert.deepEqual(await ended, { kind: 'fenced', epoch: 2 });
  assert.equal(refusals.at(-1), 'not_owner');
});
