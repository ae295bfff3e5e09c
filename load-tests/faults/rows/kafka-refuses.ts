/**
 * Row 15: Kafka takes nothing, because too few replicas are in sync, because its disk is full, or because it hangs.
 * The client library waits and hands over again; what a caller without it is told is asked for by a probe.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultCluster } from '../fault-cluster.ts';
import type { Server } from '../servers.ts';
import { bothOf, noNoteSaysNo, recoversAfterHealing, refusesNothing } from '../row.ts';
import type { Row, RowContext } from '../row.ts';
import type { RowResult } from '../run-row.ts';
import type { SmallDisk } from '../small-disk.ts';

const unavailable = 14;
const pollMs = 100;

function acceptsNothing({ answeredDuring }: RowResult): readonly string[] {
  return answeredDuring === 0 ? [] : [`${answeredDuring} messages were accepted while nothing could be written`];
}

const takesNothing = bothOf(recoversAfterHealing(10_000), refusesNothing, acceptsNothing, noNoteSaysNo);

/** What a caller is told who does not try again. */
async function probe({ load, note }: RowContext): Promise<void> {
  const refusal = await load.probe();
  if (refusal === undefined) note('NO refusal: a probe was accepted');
  else if (refusal.entry.grpc !== unavailable) note(`NO UNAVAILABLE: a probe was told ${refusal.reason}`);
  else if (refusal.retryAfterMs === undefined) note(`NO retry hint with ${refusal.reason}`);
  else note(`a probe was told UNAVAILABLE (${refusal.reason}), to come again after ${refusal.retryAfterMs} ms`);
}

/** Of four brokers with two in-sync replicas needed; the controllers keep their majority. */
const others: readonly Server[] = ['kafka-2', 'kafka-3', 'kafka-4'];

export const tooFewReplicas: Row = {
  no: 15,
  name: 'Kafka refuses: too few in-sync replicas',
  zones: 2,
  injection: `kill -9 of ${others.join(', ')}; kafka-1 is left`,
  faultMs: 8_000,
  afterMs: 15_000,
  inject: async (context) => {
    await Promise.all(others.map((name) => context.cluster.kill(name)));
    // The last broker's replicas alone are in sync once the others' sessions have ended.
    await pause(4_000);
    context.inForce();
    await probe(context);
  },
  heal: ({ cluster }) => cluster.start('kafka-2'),
  acceptance: takesNothing,
};

/** To be filled and given back: a segment's indexes take 20 MiB. */
const spareBytes = 512 * 1024 * 1024;
const endsWithinMs = 15_000;
let disk: SmallDisk | undefined;

/**
 * A broker that cannot write its log ends by itself, as Kafka does with its only log folder. Whoever supervises
 * processes starts it again, here once there is space: nothing else is repaired.
 */
export const kafkaDiskFull: Row = {
  no: 15.1,
  name: "Kafka's disk is full",
  injection: 'a small disk under kafka-1 is filled for 10 s; the broker ends, and is started again when there is space',
  faultMs: 8_000,
  afterMs: 15_000,
  prepare: async ({ cluster }) => {
    disk = await cluster.moveToSmallDisk('kafka-1', spareBytes, 'kept');
    await cluster.ready();
  },
  inject: async (context) => {
    await disk?.fill();
    const endedMs = await untilEnded(context.cluster);
    context.inForce();
    context.note(endedMs === undefined ? 'the broker goes on without writing' : `the broker ended after ${endedMs} ms`);
    await probe(context);
  },
  heal: async ({ cluster }) => {
    await disk?.empty();
    await cluster.start('kafka-1');
  },
  cleanUp: async ({ cluster }) => {
    await disk?.remove();
    await cluster.ready();
  },
  acceptance: takesNothing,
};

async function untilEnded(cluster: FaultCluster): Promise<number | undefined> {
  const startedMs = performance.now();
  while (await cluster.isRunning('kafka-1')) {
    if (performance.now() - startedMs > endsWithinMs) return undefined;
    await pause(pollMs);
  }
  return Math.round(performance.now() - startedMs);
}

export const kafkaHangs: Row = {
  no: 15.2,
  name: 'Kafka hangs',
  injection: 'SIGSTOP kafka-1 for 10 s',
  faultMs: 10_000,
  afterMs: 12_000,
  inject: ({ cluster }) => cluster.freeze('kafka-1'),
  heal: ({ cluster }) => cluster.thaw('kafka-1'),
  acceptance: takesNothing,
};
