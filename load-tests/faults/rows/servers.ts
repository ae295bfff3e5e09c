/** Rows 13, 14, 16 and 17: etcd, Kafka or the database dies, restarts or is slow. */
import { setTimeout as pause } from 'node:timers/promises';
import { bothOf, recoversAfterHealing, recoversWithin, refusesNothing } from '../row.ts';
import type { Row } from '../row.ts';

let ownersBefore = '';

export const etcdPaused: Row = {
  no: 13,
  name: 'etcd down for 30 s with every lease expired',
  injection: 'SIGSTOP etcd-a for 30 s',
  faultMs: 30_000,
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
    if (ownersOf(await cluster.ranges()) !== ownersBefore) note('RANGES MOVED');
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, ({ notes }) =>
    notes.filter((text) => text === 'RANGES MOVED'),
  ),
};

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

export const databaseSlow: Row = {
  no: 17,
  name: 'database slow',
  injection: 'SIGSTOP mariadb-a for 2 s, four times with 2 s between',
  faultMs: 0,
  inject: async ({ cluster }) => {
    for (let burst = 0; burst < 4; burst += 1) {
      await cluster.freeze('mariadb-a');
      await pause(2_000);
      await cluster.thaw('mariadb-a');
      await pause(2_000);
    }
  },
  heal: () => Promise.resolve(),
  acceptance: bothOf(recoversWithin(10_000), refusesNothing),
};
