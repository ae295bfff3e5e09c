/** The real service on embedded drivers in a folder of its own, and a way to feed it events. */
import { create, toBinary } from '@bufbuild/protobuf';
import { openEmbeddedCoordination, type EmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import type { Log } from '@chappe/log/log';
import type { MessageState } from '@chappe/message-state/message-state';
import { EventFrameSchema } from '@chappe/proto/internal/events';
import { LedgerService } from '@chappe/proto/internal/ledger_service';
import { readPriceBooks } from '@chappe/rating/publish';
import { Channel, type Client } from '@chappe/rpc/client';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBilling, type Billing } from '../src/billing.ts';

export interface Fact {
  readonly business?: string;
  readonly messageId: string;
  readonly state: MessageState;
  readonly micros?: number;
  readonly country?: string;
  readonly timeMs?: number;
}

export interface Instance extends AsyncDisposable {
  readonly billing: Billing;
  readonly client: Client<typeof LedgerService>;
}

export interface Bench extends AsyncDisposable {
  readonly log: Log;
  readonly store: Store;
  readonly coordination: EmbeddedCoordination;
  start(instance: string): Promise<Instance>;
  /** One frame with these events, to bucket 0. */
  happened(...facts: Fact[]): Promise<void>;
  /** Until every frame that was appended is done. */
  settled(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-billing-'));
  const log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const coordination = await openEmbeddedCoordination({});
  const priceBooks = await readPriceBooks();
  await log.createTopic('events-0');
  let frameNo = 0;
  return {
    log,
    store,
    coordination,
    start: async (instance) => {
      const telemetry = openTelemetry({ service: 'billing', level: 'silent' });
      const address = '127.0.0.1:0';
      const dependencies = { address, coordination, log, store, telemetry, priceBooks, instance, eventBuckets: 1 };
      const billing = await startBilling(dependencies);
      const channel = new Channel({ address: billing.address });
      return {
        billing,
        client: channel.client(LedgerService),
        [Symbol.asyncDispose]: async () => {
          channel[Symbol.dispose]();
          await billing[Symbol.asyncDispose]();
        },
      };
    },
    happened: async (...facts) => {
      frameNo += 1;
      const frame = create(EventFrameSchema, {
        range: 'r-1',
        eventNo: BigInt(frameNo),
        events: facts.map((fact) => eventOf(fact)),
      });
      const record = {
        key: 'r-1',
        headers: { kind: 'events', id: 'f', version: 1 },
        value: toBinary(EventFrameSchema, frame),
      };
      const [result] = await log.append([{ topic: 'events-0', records: [record] }]);
      assert.equal(result?.kind, 'appended');
    },
    settled: async () => {
      const end = await log.end('events-0');
      for (;;) {
        const rows = await store
          .query("SELECT next_offset FROM event_progress WHERE consumer = 'billing'")
          .catch(() => []);
        if (rows[0]?.['next_offset'] === end) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    [Symbol.asyncDispose]: async () => {
      await coordination[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await log[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

function eventOf({
  business = 'b-1',
  messageId,
  state,
  micros = 10_000,
  country = 'FR',
  timeMs = 1_000,
}: Fact): object {
  const windowOpen = micros === 0;
  const category = windowOpen ? 'service' : 'utility';
  const price = { country, category, windowOpen, micros: BigInt(micros), currency: 'USD', priceBook: '2026-07-01' };
  return {
    id: `${messageId}-${state}`,
    business,
    contact: '33612345678',
    number: '33700000000',
    timeMs: BigInt(timeMs),
    kind: { case: 'state', value: { messageId, state, price } },
  };
}
