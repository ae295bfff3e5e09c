/**
 * Rows 28 and 29: a server comes back with less than it had. It must be noticed and said, and nothing may be shown twice, in
 * another order, or to somebody else. What a database lost is done again from the log; what the log lost cannot be delivered.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { StoreChangeKind } from '@chappe/proto/v1/cluster_service';
import type { Server } from '../servers.ts';
import { noNoteSaysNo } from '../row.ts';
import type { Row, RowContext } from '../row.ts';

const alarms = 'chappe_sender_alarms_total';
let alarmsBefore = 0;
const mendedWithinMs = 30_000;

interface Restored {
  readonly no: number;
  readonly server: Server;
  readonly name: string;
  /** What an operator says afterwards. Absent: nothing helps, the ranges stay as they are. */
  readonly mend?: (context: RowContext) => Promise<void>;
}

/**
 * The database also remembers what businesses were told: what it lost of that is told again, under the same ids. Everything
 * else must be as if nothing had been lost.
 */
const toldAgain = /^(ONCE: event \S+ came twice|MONOTONE: )/;

function restored({ no, server, name, mend }: Restored): Row {
  return {
    no,
    name,
    injection: `${server} is killed and comes back with the files that it had 5 s before`,
    faultMs: 10_000,
    afterMs: 5_000,
    ...(mend === undefined
      ? { ruins: true, forgives: /^(NO-LOSS|ONCE: \S+ was delivered and not charged)/ }
      : { drainMsMax: 90_000, forgives: toldAgain }),
    inject: async ({ cluster, load }) => {
      alarmsBefore = await cluster.count(alarms);
      load.hold();
      await cluster.backUp(server);
      load.goOn();
      await pause(5_000);
      await cluster.restore(server);
    },
    heal: async (context) => {
      const { cluster, note } = context;
      const raised = (await cluster.count(alarms)) - alarmsBefore;
      note(raised > 0 ? `${raised} alarms were raised` : 'NO alarm was raised');
      const problems = await cluster.problems();
      note(
        problems.length > 0
          ? `health says: ${problems.slice(0, 3).join('; ')}`
          : 'NO process says that it is not ready',
      );
      await mend?.(context);
    },
    acceptance: noNoteSaysNo,
  };
}

/** What was lost is read again from the log: nothing accepted stays undone. */
async function sayRestored({ cluster, note }: RowContext): Promise<void> {
  const startedMs = performance.now();
  // One server has all of them.
  const { stores } = await cluster.admin.cluster.listStores({});
  for (const { id } of stores) await cluster.changeStore(id, StoreChangeKind.RESTORED);
  while ((await cluster.ranges()).some(({ problem }) => problem !== '')) {
    if (performance.now() - startedMs > mendedWithinMs) {
      const stuck = (await cluster.ranges()).filter(({ problem }) => problem !== '');
      note(`NO: ${stuck.map(({ id, problem }) => `${id}: ${problem}`).join('; ')}`);
      return;
    }
    await pause(100);
  }
  note(`every range was worked on ${Math.round(performance.now() - startedMs)} ms after \`chappe store restored\``);
}

export const databaseRestored = restored({
  no: 28,
  server: 'mariadb-a',
  name: 'the database is restored from a backup, and the operator says so',
  mend: sayRestored,
});
export const kafkaRestored = restored({
  no: 29,
  server: 'kafka-1',
  name: 'the log lost its tail and grew again',
});
