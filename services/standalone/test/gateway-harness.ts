/**
 * A real gateway on the embedded drivers, with the real crypto service beside it. The range owners
 * are the test itself: it reads the range topics and writes event frames, as a sender would.
 */
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Coordination } from '@chappe/coordination/coordination';
import { openOrCreateKeyFile } from '@chappe/crypto/first-start';
import { startCrypto } from '@chappe/crypto/crypto-service';
import { eventBucketOf, eventTopic } from '@chappe/event-consumer/bucket';
import { startGateway, type Gateway, type GatewayDependencies } from '@chappe/gateway/gateway';
import type { Log, LogRecord } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { CommandSchema, type Command } from '@chappe/proto/internal/commands';
import { BusinessEventSchema, EventFrameSchema } from '@chappe/proto/internal/events';
import { parseRange, putRange, rangePrefix, topicOf, type Range } from '@chappe/ranges/range';
import { publishPriceBooks, readPriceBooks } from '@chappe/rating/publish';
import type { Store } from '@chappe/store/store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const adminKey = 'an-admin-key-for-tests';
const eventBuckets = 2;
/** Two ranges, cut before the French numbers. */
const bounds = [
  { id: 'r-1', start: '', end: '33' },
  { id: 'r-2', start: '33', end: endOfNumbers },
];

export interface AppendedCommand {
  readonly record: LogRecord;
  readonly command: Command;
}

export class GatewayHarness implements AsyncDisposable {
  readonly log: Log;
  readonly store: Store;
  readonly coordination: Coordination;
  readonly admin: AdminClient;
  readonly #stack: AsyncDisposableStack;
  readonly #dependencies: GatewayDependencies;
  #gateway: Gateway;
  #frames = 0;
  /** Ranges that replaced others. */
  readonly #made: string[] = [];

  private constructor(
    dependencies: GatewayDependencies,
    gateway: Gateway,
    admin: AdminClient,
    stack: AsyncDisposableStack,
  ) {
    this.log = dependencies.log;
    this.store = dependencies.store;
    this.coordination = dependencies.coordination;
    this.admin = admin;
    this.#dependencies = dependencies;
    this.#gateway = gateway;
    this.#stack = stack;
  }

  /** @param log wraps the log, for faults */
  static async start(
    options: { wrapLog?: (log: Log) => Log; rateLimit?: GatewayDependencies['rateLimit'] } = {},
  ): Promise<GatewayHarness> {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'chappe-gateway-'));
    stack.defer(() => rm(folder, { recursive: true }));
    const store = stack.use(await openSqliteStore({ path: join(folder, 'store.sqlite') }));
    const sqliteLog = stack.use(await openSqliteLog({ path: join(folder, 'log.sqlite') }));
    const coordination = stack.use(await openEmbeddedCoordination({ path: join(folder, 'coordination.sqlite') }));
    await publishPriceBooks(coordination, await readPriceBooks());
    for (const { id, start, end } of bounds) {
      await sqliteLog.createTopic(topicOf(id));
      const range = {
        id,
        start,
        end,
        state: 'active',
        owner: undefined,
        ownerInstance: undefined,
        epoch: 1,
        topic: topicOf(id),
        store: 's-1',
      } as const;
      await coordination.transact([], [putRange(range)]);
    }
    await coordination.transact([], [{ kind: 'put', key: 'generation', value: '1' }]);
    for (let bucket = 0; bucket < eventBuckets; bucket += 1) await sqliteLog.createTopic(eventTopic(bucket));

    const cryptoAddress = `unix:${join(folder, 'crypto.sock')}`;
    const keyEncryptionKeys = await openOrCreateKeyFile(join(folder, 'keys'), store);
    const telemetry = openTelemetry({ service: 'crypto', level: 'silent' });
    stack.use(await startCrypto({ address: cryptoAddress, store, keyEncryptionKeys, telemetry }));

    const dependencies: GatewayDependencies = {
      address: `unix:${join(folder, 'gateway.sock')}`,
      coordination,
      log: options.wrapLog?.(sqliteLog) ?? sqliteLog,
      store,
      telemetry: openTelemetry({ service: 'gateway', level: process.env['CHAPPE_LOG_LEVEL'] ?? 'silent' }),
      cryptoAddress,
      billingAddress: `unix:${join(folder, 'billing.sock')}`,
      instance: 'gateway-1',
      eventBuckets,
      adminKey,
      ...(options.rateLimit === undefined ? {} : { rateLimit: options.rateLimit }),
    };
    const gateway = await startGateway(dependencies);
    const admin = stack.use(new AdminClient({ address: gateway.address, adminKey }));
    const harness = new GatewayHarness(dependencies, gateway, admin, stack.move());
    await harness.untilReady();
    return harness;
  }

  get address(): string {
    return this.#gateway.address;
  }

  get cryptoAddress(): string {
    return this.#dependencies.cryptoAddress;
  }

  async untilReady(): Promise<void> {
    while (Object.keys(this.#gateway.notReady()).length > 0) await sleep(10);
  }

  /** Stops the gateway and starts another process's worth of it on the same data. */
  async restart(): Promise<void> {
    await this.#gateway[Symbol.asyncDispose]();
    const telemetry = openTelemetry({ service: 'gateway', level: 'silent' });
    this.#gateway = await startGateway({ ...this.#dependencies, telemetry, instance: `gateway-${performance.now()}` });
    await this.untilReady();
  }

  /** A business with a utility template `parcel` in English and French. */
  async business(name: string, number: string): Promise<{ id: string; apiKey: string; client: ChappeClient }> {
    const { business, apiKey } = await this.admin.businesses.create({ name, number });
    const client = this.#stack.use(new ChappeClient({ address: this.address, apiKey }));
    const body = 'Hello {{name}}, parcel {{number}} is on its way.';
    await client.templates.create({ template: { name: 'parcel', language: 'en', category: 1, body } });
    await client.templates.create({
      template: { name: 'parcel', language: 'fr', category: 1, body: 'Bonjour {{name}} : colis {{number}}.' },
    });
    return { id: business?.id ?? '', apiKey, client };
  }

  client(apiKey: string): ChappeClient {
    return this.#stack.use(new ChappeClient({ address: this.address, apiKey }));
  }

  /** Everything in the range topics, by topic and offset. */
  async commands(): Promise<AppendedCommand[]> {
    const found: AppendedCommand[] = [];
    for (const id of [...bounds.map((range) => range.id), ...this.#made]) {
      const end = await this.log.end(topicOf(id));
      for (let from = 0; from < end;) {
        const records = await this.log.readAt(topicOf(id), from, 1_000);
        found.push(...records.map((record) => ({ record, command: fromBinary(CommandSchema, record.value) })));
        from += records.length;
      }
    }
    return found;
  }

  /** Puts another range in the place of one that was sealed, as the coordinator does. */
  async replace(id: string): Promise<void> {
    const entry = await this.coordination.get(rangePrefix + id);
    if (entry === undefined) throw new Error(`there is no range ${id}`);
    const range = parseRange(entry.value);
    const made = `${id}-again`;
    this.#made.push(made);
    await this.log.createTopic(topicOf(made));
    const next: Range = { ...range, id: made, topic: topicOf(made), state: 'filling', replaces: [id] };
    await this.coordination.transact(
      [],
      [putRange({ ...range, state: 'draining' }), putRange(next), { kind: 'put', key: 'generation', value: '2' }],
    );
  }

  /** Publishes events of one business, as the owner of a range does; `times` as after takeovers. */
  async publish(
    business: string,
    events: readonly MessageInitShape<typeof BusinessEventSchema>[],
    times = 1,
  ): Promise<void> {
    this.#frames += 1;
    const frame = create(EventFrameSchema, {
      range: 'r-2',
      eventNo: BigInt(this.#frames),
      events: events.map((event) => create(BusinessEventSchema, { ...event, business })),
    });
    const record = {
      key: 'r-2',
      headers: { kind: 'events', id: String(this.#frames), version: 1 },
      value: toBinary(EventFrameSchema, frame),
    };
    const topic = eventTopic(eventBucketOf(business, eventBuckets));
    for (let time = 0; time < times; time += 1) await this.log.append([{ topic, records: [record] }]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#gateway[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }
}

/** A message to a French number by the template `parcel`. */
export function parcel(to: string, number: string, idempotencyKey = '') {
  return {
    to,
    idempotencyKey,
    content: {
      case: 'template' as const,
      value: { name: 'parcel', language: 'en', parameters: { name: 'Ada', number } },
    },
  };
}
