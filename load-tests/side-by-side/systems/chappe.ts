/**
 * Chappe: the application hands messages over on a stream of the client library, or in a call each, and reads the
 * events as a stream; the other side are handsets that decrypt, store in memory and acknowledge.
 */
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { MessageState } from '@chappe/proto/v1/event';
import { Child } from '../../load/child.ts';
import { startClusterTarget } from '../../load/cluster-target.ts';
import { boundsFor, numberAt } from '../../load/contacts.ts';
import type { FleetRequest } from '../../load/fleet.ts';
import { nowMs } from '../../load/monotonic-clock.ts';
import { startStandaloneTarget } from '../../load/standalone-target.ts';
import type { Target } from '../../load/target.ts';
import { numberIn } from '../../load/texts.ts';
import { requestsInFlight, streamedInFlight } from '../limits.ts';
import { parameters, refOf, template } from '../message.ts';
import type { Part } from '../process-usage.ts';
import { dataFolder } from '../settings.ts';
import type { Observer, RunningSystem, System } from '../system.ts';

const promises =
  'encrypted from the gateway to the phone, shown once and in order for each person, windows, price by country and a ledger; no SMSC links, no SMPP, no phones without its app';

export const chappeStandalone: System = {
  name: 'chappe-standalone',
  title: 'Chappe standalone',
  takes: `one gRPC stream, ${streamedInFlight} messages at a time`,
  durability: 'log and store in SQLite files, synced to the disk (WAL, synchronous=FULL) before "accepted"',
  promises,
  start: (observer, contacts) => start(observer, contacts, standalone, 'stream'),
};

export const chappeCalls: System = {
  ...chappeStandalone,
  name: 'chappe-standalone-calls',
  title: 'Chappe standalone, a call each',
  takes: `gRPC, ${requestsInFlight} calls at a time`,
  start: (observer, contacts) => start(observer, contacts, standalone, 'calls'),
};

export const chappeCluster: System = {
  name: 'chappe-cluster',
  title: 'Chappe cluster',
  takes: `one gRPC stream, ${streamedInFlight} messages at a time`,
  durability:
    'log in Kafka, one broker, in its page cache before "accepted"; store in MariaDB, log and binlog synced at each commit',
  promises,
  start: (observer, contacts) => start(observer, contacts, cluster, 'stream'),
};

const standalone = (): Promise<Target> => startStandaloneTarget({}, boundsFor(4));
const cluster = (): Promise<Target> => startClusterTarget({}, `${dataFolder}/chappe-stack`);

/** One-time keys of each handset. */
const preKeyCount = 30;
const businessNumber = '+33123456789';
const optInsPerCall = 1_000;

async function start(
  observer: Observer,
  contacts: number,
  startTarget: () => Promise<Target>,
  by: 'stream' | 'calls',
): Promise<RunningSystem> {
  await using resources = new AsyncDisposableStack();
  const target = resources.use(await startTarget());
  const admin = resources.use(new AdminClient({ address: target.gateway, adminKey: target.adminKey }));
  const { apiKey } = await admin.businesses.create({ name: 'Side by side', number: businessNumber });
  const client = resources.use(new ChappeClient({ address: target.gateway, apiKey }));
  await client.templates.create({ template });

  const places = Array.from({ length: contacts }, (_, place) => place);
  const fleet = resources.use(await gather(observer, target, contacts));
  for (let from = 0; from < contacts; from += optInsPerCall) {
    const optIns = places.slice(from, from + optInsPerCall).map((place) => ({
      contact: numberAt(place),
      source: 'side by side',
      wording: 'yes',
    }));
    await client.contacts.optIn({ optIns }, { deadlineMs: 60_000 });
  }
  const reading = new AbortController();
  const reader = read(client, observer, reading.signal);
  resources.defer(async () => {
    reading.abort();
    await reader;
  });

  const stream = by === 'stream' ? resources.use(client.openSendStream()) : undefined;
  const processes = await target.processes();
  const parts: Part[] = processes.map(({ name, pid }) => ({ name, pid }));
  parts.push({ name: 'handsets', pid: fleet.pid, isDriver: true });
  const owned = resources.move();
  return {
    parts,
    receiptDelayMs: 0,
    inFlight: stream === undefined ? requestsInFlight : streamedInFlight,
    submit: async (index, contact) => {
      const request = {
        to: contact,
        echo: refOf(index),
        content: {
          case: 'template',
          value: { name: template.name, language: template.language, parameters: { ref: refOf(index), ...parameters } },
        },
      } as const;
      await (stream ?? client).send(request);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Everybody with a connected handset. */
async function gather(observer: Observer, target: Target, contacts: number): Promise<Child<FleetRequest>> {
  await using resources = new AsyncDisposableStack();
  const fleet = resources.use(
    new Child<FleetRequest>('fleet-process.ts', (_topic, rows) => {
      // Rows of five: message by its text, place, business, id, shown at.
      for (let at = 0; at < rows.length; at += 5) observer.delivered(rows[at] ?? NaN, rows[at + 4] ?? NaN);
    }),
  );
  const { devices, codesFile } = target;
  await fleet.ask({
    kind: 'start',
    address: devices,
    codesFile,
    part: 0,
    parts: 1,
    businessNumbers: [businessNumber.slice(1)],
  });
  await fleet.ask({ kind: 'register', from: 0, count: contacts, preKeyCount });
  resources.move();
  return fleet;
}

async function read(client: ChappeClient, observer: Observer, signal: AbortSignal): Promise<void> {
  for await (const { kind } of client.subscribe({ signal })) {
    if (kind.case === 'state' && kind.value.state === MessageState.DELIVERED) {
      observer.reported(numberIn(kind.value.echo), nowMs());
    }
  }
}
