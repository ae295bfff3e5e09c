/** Rows 13, 14, 16 and 17: etcd, Kafka or the database dies, restarts or is slow. */
import { setTimeout as pause } from 'node:timers/promises';
import {
  bothOf,
  memoryGrowsAtMost,
  noNoteSaysNo,
  noStormOfRetries,
  recoversAfterHealing,
  recoversWithin,
  refusesNothing,
} from '../row.ts';
import type { Row, RowContext } from '../row.ts';

function etcdAway(no: number, seconds: number): Row {
  let ownersBefore = '';
  return {
    no,
    name: `etcd down for ${seconds} s with every lease expired`,
    injection: `SIGSTOP etcd-a for ${seconds} s`,
    faultMs: seconds * 1_000,
    afterMs: 12_000,
    inject: async ({ cluster }) => {
      ownersBefore = ownersOf(await cluster.ranges());
      await cluster.freeze('etcd-a');
    },
    heal: async ({ cluster, note }) => {
      await cluster.thaw('etcd-a');
      await cluster.ready();
      // A coordinator that judged by old leases would have moved everything by now.
      await pause(8_000);
      if (ownersOf(await cluster.ranges()) !== ownersBefore) note('NO: ranges moved');
    },
    acceptance: bothOf(recoversWithin(1_500), refusesNothing, noNoteSaysNo),
  };
}

export const etcdPaused = etcdAway(13, 30);
export const etcdPausedLong = etcdAway(13.1, 60);

function ownersOf(ranges: readonly { id: string; owner: string; epoch: bigint }[]): string {
  return ranges.map(({ id, owner, epoch }) => `${id} ${owner} ${epoch}`).join('\n');
}

export const kafkaKilled: Row = {
  no: 14,
  name: 'Kafka restarts',
  injection: 'kill -9 kafka-1, started again 3 s later',
  faultMs: 3_000,
  afterMs: 15_000,
  inject: ({ cluster }) => cluster.kill('kafka-1'),
  heal: ({ cluster }) => cluster.start('kafka-1'),
  acceptance: bothOf(recoversAfterHealing(10_000), refusesNothing),
};

export const databaseKilled: Row = {
  no: 16,
  name: 'MariaDB restarts',
  injection: 'kill -9 mariadb-a, started again 3 s later',
  faultMs: 3_000,
  afterMs: 15_000,
  inject: ({ cluster }) => cluster.kill('mariadb-a'),
  heal: ({ cluster }) => cluster.start('mariadb-a'),
  acceptance: bothOf(recoversAfterHealing(15_000), refusesNothing),
};

/** What waits for the database is asked to come again, and is not piled up. */
const sheds = bothOf(refusesNothing, noStormOfRetries, memoryGrowsAtMost(100));
const gatewayAnswers = 'chappe_gateway_messages_total';
const gatewayAccepted = 'chappe_gateway_messages_total{code="0"}';

function refusals({ cluster }: Pick<RowContext, 'cluster'>): Promise<number> {
  return cluster.count(gatewayAnswers, gatewayAccepted);
}

let refusedBefore = 0;

async function noteRefusals({ cluster, note }: Pick<RowContext, 'cluster' | 'note'>): Promise<void> {
  note(`gateways asked for ${(await refusals({ cluster })) - refusedBefore} messages to come again`);
}

export const databaseBursts: Row = {
  no: 17,
  name: 'database stands still again and again',
  injection: 'SIGSTOP mariadb-a for 2 s, four times with 2 s between',
  faultMs: 0,
  inject: async (context) => {
    const { cluster } = context;
    refusedBefore = await refusals(context);
    for (let burst = 0; burst < 4; burst += 1) {
      await cluster.freeze('mariadb-a');
      await pause(2_000);
      await cluster.thaw('mariadb-a');
      await pause(2_000);
    }
  },
  heal: noteRefusals,
  acceptance: bothOf(recoversWithin(10_000), sheds),
};

const databaseShare = 0.05;

export const databaseSlow: Row = {
  no: 17.1,
  name: 'database slow',
  injection: 'a twentieth of a processor for mariadb-a, for 20 s',
  faultMs: 20_000,
  afterMs: 12_000,
  inject: async (context) => {
    refusedBefore = await refusals(context);
    await context.cluster.limitCpu('mariadb-a', databaseShare);
  },
  heal: async (context) => {
    await context.cluster.endLimit('mariadb-a');
    await noteRefusals(context);
  },
  acceptance: bothOf(recoversAfterHealing(10_000), sheds),
};
