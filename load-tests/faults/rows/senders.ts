/** Rows 1 to 6 and 27: a sender dies, stops, is paused, or cannot reach a server. */
import type { Server } from '../fault-cluster.ts';
import { bothOf, recoversWithin, refusesNothing } from '../row.ts';
import type { Row, RowContext } from '../row.ts';

/** Holds ranges in which people are; so does every sender. */
const victim = 'sender-a1';

const affectVictim = ({ affect }: RowContext): Promise<void> => affect(victim);

export const senderKilled: Row = {
  no: 1,
  name: 'shard dies',
  injection: `kill -9 ${victim}`,
  faultMs: 12_000,
  inject: async (context) => {
    await affectVictim(context);
    await context.cluster.kill(victim);
  },
  heal: ({ cluster }) => cluster.start(victim),
  acceptance: bothOf(recoversWithin(10_000), refusesNothing),
};

export const senderStopped: Row = {
  no: 2,
  name: 'shard stops',
  injection: `SIGTERM ${victim}`,
  inject: async (context) => {
    await affectVictim(context);
    await context.cluster.stop(victim);
  },
  heal: ({ cluster }) => cluster.start(victim),
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, ({ wireRepeats }) =>
    wireRepeats === undefined || wireRepeats === 0 ? [] : [`${wireRepeats} envelopes were pushed again`],
  ),
};

export const senderPaused: Row = {
  no: 3,
  name: 'shard paused beyond its lease, then wakes',
  injection: `SIGSTOP ${victim} for 15 s`,
  faultMs: 15_000,
  inject: async (context) => {
    await affectVictim(context);
    await context.cluster.freeze(victim);
  },
  heal: ({ cluster }) => cluster.thaw(victim),
  acceptance: bothOf(recoversWithin(10_000), refusesNothing),
};

function cutOff(no: number, server: Server, what: string): Row {
  return {
    no,
    name: `shard cut off from ${what} only`,
    injection: `DROP from ${victim} to ${server} for 15 s`,
    faultMs: 15_000,
    afterMs: 10_000,
    inject: async (context) => {
      await affectVictim(context);
      await context.cluster.cut(victim, server);
    },
    heal: ({ cluster }) => cluster.mend(victim, server),
    acceptance: bothOf(recoversWithin(no === 4 ? 10_000 : 25_000), refusesNothing),
  };
}

export const senderWithoutEtcd = cutOff(4, 'etcd-a', 'etcd');
export const senderWithoutDatabase = cutOff(5, 'mariadb-a', 'the database');
export const senderWithoutKafka = cutOff(6, 'kafka-1', 'Kafka');
