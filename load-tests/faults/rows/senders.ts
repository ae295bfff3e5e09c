/** Rows 1 to 6: a sender dies, stops, is paused, or cannot reach a server. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Server } from '../servers.ts';
import {
  bothOf,
  claimedWithin,
  noNoteSaysNo,
  othersKeepPace,
  recoversAfterHealing,
  recoversWithin,
  refusesNothing,
} from '../row.ts';
import type { Row, RowContext } from '../row.ts';

/** Holds ranges in which people are; so does every sender. */
const victim = 'sender-a1';
const pollMs = 50;

const affectVictim = ({ affect }: RowContext): Promise<void> => affect(victim);

/** A batch that was pushed and not acknowledged is pushed again; a device's window bounds it. */
const repeatsPerRangeMax = 64;

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
  acceptance: bothOf(recoversWithin(8_000), othersKeepPace, refusesNothing, ({ wireRepeats = 0, recovery }) =>
    wireRepeats <= repeatsPerRangeMax * (recovery?.ranges ?? 0)
      ? []
      : [`${wireRepeats} envelopes were pushed again: more than a batch for each range`],
  ),
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
  acceptance: bothOf(recoversWithin(1_500), claimedWithin(1_000), refusesNothing, ({ wireRepeats = 0 }) =>
    wireRepeats === 0 ? [] : [`${wireRepeats} envelopes were pushed again`],
  ),
};

const noticesMs = 1_000;

export const senderPaused: Row = {
  no: 3,
  name: 'shard paused beyond its lease, then wakes',
  injection: `SIGSTOP ${victim} for 15 s`,
  faultMs: 15_000,
  inject: async (context) => {
    await affectVictim(context);
    await context.cluster.freeze(victim);
  },
  heal: async ({ cluster, note }) => {
    const wokenMs = Date.now();
    await cluster.thaw(victim);
    const ends = async (): Promise<number[]> =>
      (await cluster.said(wokenMs))
        .filter(({ process, msg }) => process === victim && msg === 'range given up')
        .map(({ timeMs }) => timeMs - wokenMs);
    await until(async () => (await ends()).length > 0, 4 * noticesMs);
    const [firstMs] = await ends();
    note(
      firstMs === undefined || firstMs > noticesMs
        ? `NO range was given up within ${noticesMs} ms of waking (${firstMs ?? 'none'})`
        : `it noticed ${firstMs} ms after waking that its ranges are others'`,
    );
  },
  acceptance: bothOf(recoversWithin(10_000), refusesNothing, noNoteSaysNo),
};

const cutOffMs = 15_000;

export const senderWithoutEtcd: Row = {
  no: 4,
  name: 'shard cut off from etcd only',
  injection: `DROP from ${victim} to etcd-a for 15 s`,
  faultMs: cutOffMs,
  afterMs: 10_000,
  inject: async (context) => {
    await affectVictim(context);
    await context.cluster.cut(victim, 'etcd-a');
  },
  heal: async ({ cluster, note }) => {
    const lines = await cluster.said(Date.now() - cutOffMs);
    const taken = lines.filter(({ process, msg }) => process !== victim && msg === 'range taken');
    const refused = lines.filter(
      ({ process, msg, end }) => process === victim && msg === 'range given up' && end === 'fenced',
    );
    note(`${taken.length} ranges were taken by others; in ${refused.length} its next commit was refused`);
    if (refused.length === 0) note('NO commit was refused');
    await cluster.mend(victim, 'etcd-a');
  },
  acceptance: bothOf(recoversWithin(10_000), refusesNothing, noNoteSaysNo),
};

const saysMs = 10_000;

/** It keeps its ranges, whose messages wait, and says so. */
function cutOff(no: number, server: Server, what: string): Row {
  return {
    no,
    name: `shard cut off from ${what} only`,
    injection: `DROP from ${victim} to ${server} for 15 s`,
    faultMs: cutOffMs - saysMs / 2,
    afterMs: 10_000,
    inject: async (context) => {
      const { cluster, note } = context;
      await affectVictim(context);
      await cluster.cut(victim, server);
      const cutMs = performance.now();
      const says = async (): Promise<boolean> => (await cluster.problems()).some((text) => text.startsWith(victim));
      const hasSaid = await until(says, saysMs);
      const tookMs = Math.round(performance.now() - cutMs);
      note(hasSaid ? `its health said so after ${tookMs} ms` : `NO word of it in its health after ${tookMs} ms`);
    },
    heal: ({ cluster }) => cluster.mend(victim, server),
    acceptance: bothOf(recoversAfterHealing(10_000), refusesNothing, noNoteSaysNo),
  };
}

export const senderWithoutDatabase = cutOff(5, 'mariadb-a', 'the database');
export const senderWithoutKafka = cutOff(6, 'kafka-1', 'Kafka');

async function until(isSo: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) return false;
    await pause(pollMs);
  }
  return true;
}
