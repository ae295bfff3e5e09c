/**
 * Rows 28 and 29: a server comes back with less than it had. What is lost cannot be delivered; it must be
 * noticed and said, and nothing may be shown twice, in another order, or to somebody else.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Server } from '../servers.ts';
import { noNoteSaysNo } from '../row.ts';
import type { Row } from '../row.ts';

const alarms = 'chappe_sender_alarms_total';
let alarmsBefore = 0;

function restored(no: number, server: Server, name: string): Row {
  return {
    no,
    name,
    injection: `${server} is killed and comes back with the files that it had 5 s before`,
    faultMs: 10_000,
    afterMs: 5_000,
    ruins: true,
    forgives: /^(NO-LOSS|ONCE: \S+ was delivered and not charged)/,
    inject: async ({ cluster, load }) => {
      alarmsBefore = await cluster.count(alarms);
      load.hold();
      await cluster.backUp(server);
      load.goOn();
      await pause(5_000);
      await cluster.restore(server);
    },
    heal: async ({ cluster, note }) => {
      const raised = (await cluster.count(alarms)) - alarmsBefore;
      note(raised > 0 ? `${raised} alarms were raised` : 'NO alarm was raised');
      const problems = await cluster.problems();
      note(
        problems.length > 0
          ? `health says: ${problems.slice(0, 3).join('; ')}`
          : 'NO process says that it is not ready',
      );
    },
    acceptance: noNoteSaysNo,
  };
}

export const databaseRestored = restored(28, 'mariadb-a', 'the database is restored from a backup');
export const kafkaRestored = restored(29, 'kafka-1', 'the log lost its tail and grew again');
