/** What the benchmark does: every scenario against a real node with real handsets, everything in. */
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from './fleet.ts';
import { startNode, type BenchNode } from './node-process.ts';

/** A running node with one business, its event reader and its handsets. */
export interface Bench extends AsyncDisposable {
  readonly node: BenchNode;
  readonly fleet: Fleet;
  readonly client: ChappeClient;
  /** Events that the reader has got. */
  readonly events: () => number;
}

export async function startBench(options: { readonly profile?: boolean } = {}): Promise<Bench> {
  await using resources = new AsyncDisposableStack();
  const node = resources.use(await startNode(options));
  const fleet = resources.use(new Fleet());
  await fleet.start(node.deviceAddress, node.codesFile);
  const admin = resources.use(new AdminClient({ address: node.gatewayAddress, adminKey: node.adminKey }));
  const { apiKey } = await admin.businesses.create({ name: 'Bench', number: '+33123456789' });
  const client = resources.use(new ChappeClient({ address: node.gatewayAddress, apiKey }));
  await client.templates.create({
    template: {
      name: 'parcel',
      language: 'en',
      category: 1,
      body: 'Hello {{name}}, your parcel {{parcel}} comes today between {{from}} and {{to}}. Not at home? Answer this message.',
    },
  });
  let events = 0;
  const reading = new AbortController();
  const reader = (async () => {
    for await (const event of client.subscribe({ signal: reading.signal })) if (event.id !== '') events += 1;
  })();
  resources.defer(async () => {
    reading.abort();
    await reader;
  });
  const owned = resources.move();
  return { node, fleet, client, events: () => events, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** French, British, German and Spanish mobile numbers in turn, so that all ranges but one work. */
export function numbersFrom(first: number, count: number): string[] {
  const make = [
    (n: number) => `+336${String(10_000_000 + n)}`,
    (n: number) => `+447400${String(100_000 + n)}`,
    (n: number) => `+4915123${String(100_000 + n)}`,
    (n: number) => `+346${String(10_000_000 + n)}`,
  ];
  return Array.from({ length: count }, (_, index) => make[(first + index) % 4]?.(first + index) ?? '');
}

export async function register(bench: Bench, numbers: readonly string[], preKeyCount: number): Promise<void> {
  await bench.fleet.register(numbers, preKeyCount);
  await optIn(bench, numbers);
}

/** Contacts that the node knows of, with or without a device. */
export async function optIn(bench: Bench, numbers: readonly string[]): Promise<void> {
  for (let from = 0; from < numbers.length; from += 1_000) {
    const optIns = numbers.slice(from, from + 1_000).map((contact) => ({ contact, source: 'bench', wording: 'yes' }));
    await bench.client.contacts.optIn({ optIns }, { deadlineMs: 60_000 });
  }
}

export interface Run {
  readonly messages: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Accepted to shown. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU microseconds a message: node, handsets, and the client with its event reader. */
  readonly nodeUs: number;
  readonly handsetsUs: number;
  readonly clientUs: number;
  readonly repeats: number;
  readonly lost: number;
  readonly eventsPerMessage: number;
}

/**
 * Sends to the numbers in turn, open loop at a rate or as fast as the stream takes them, until
 * everything is shown and every event is read.
 */
export async function send(bench: Bench, numbers: readonly string[], count: number, perSecond?: number): Promise<Run> {
  const { client, fleet, node } = bench;
  const before = {
    node: await node.usage(),
    fleet: await fleet.usage(),
    own: process.cpuUsage(),
    shown: fleet.shownAtMs.size,
    events: bench.events(),
  };
  const acceptedAtMs = new Map<string, number>();
  const startedAt = performance.now();
  await using stream = client.openSendStream();
  const answers: Promise<void>[] = [];
  for (let index = 0; index < count; index += 1) {
    if (perSecond !== undefined) {
      const dueMs = startedAt + (index * 1000) / perSecond;
      if (dueMs - performance.now() > 1) await sleep(dueMs - performance.now());
    }
    await stream.ready();
    answers.push(sendOne(stream, numbers[index % numbers.length] ?? '', index, acceptedAtMs));
  }
  await Promise.all(answers);
  const all = await fleet.showed(before.shown + count, 10_000);
  const seconds = (performance.now() - startedAt) / 1000;
  // Accepted, sent, delivered.
  for (let wait = 0; wait < 200 && bench.events() - before.events < 3 * count; wait += 1) await sleep(25);
  const after = { node: await node.usage(), fleet: await fleet.usage(), own: process.cpuUsage(before.own) };
  const latencies = [...acceptedAtMs]
    .map(([id, atMs]) => (fleet.shownAtMs.get(id) ?? Infinity) - atMs)
    .toSorted((a, b) => a - b);
  return {
    messages: count,
    seconds,
    perSecond: count / seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    nodeUs: ((after.node.cpuMs - before.node.cpuMs) * 1000) / count,
    handsetsUs: ((after.fleet.cpuMs - before.fleet.cpuMs) * 1000) / count,
    clientUs: (after.own.user + after.own.system) / count,
    repeats: fleet.repeats,
    lost: all ? 0 : before.shown + count - fleet.shownAtMs.size,
    eventsPerMessage: (bench.events() - before.events) / count,
  };
}

async function sendOne(
  stream: ReturnType<ChappeClient['openSendStream']>,
  to: string,
  index: number,
  acceptedAtMs: Map<string, number>,
): Promise<void> {
  const parameters = { name: 'Ada', parcel: `CH${1_000_000 + index}`, from: '14:00', to: '16:00' };
  const { messageId } = await stream.send({
    to,
    content: { case: 'template', value: { name: 'parcel', language: 'en', parameters } },
  });
  acceptedAtMs.set(messageId, performance.timeOrigin + performance.now());
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
