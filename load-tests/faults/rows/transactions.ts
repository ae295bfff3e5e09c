/** Row 27: a sender is frozen exactly between its fence and its COMMIT. */
import { rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { preloadOf } from '../break/preload.ts';
import type { FaultCluster } from '../fault-cluster.ts';
import { bothOf, claimedWithin, noNoteSaysNo, recoversWithin, refusesNothing } from '../row.ts';
import type { Row } from '../row.ts';

const victim = 'sender-a1';
const frozenWithinMs = 10_000;
const lookMs = 10;

export const frozenInside: Row = {
  no: 27,
  name: 'shard frozen exactly between fence and COMMIT',
  injection: `SIGSTOP of ${victim} by itself, after its fence, for 15 s`,
  faultMs: 15_000,
  prepare: async ({ cluster }) => {
    await rm(triggerOf(cluster), { force: true });
    const environment = { ...preloadOf('frozen_inside_transaction'), CHAPPE_TEST_TRIGGER: triggerOf(cluster) };
    await cluster.restartWith(victim, environment);
    await cluster.ready();
  },
  inject: async ({ cluster, affect, note }) => {
    await affect(victim);
    await writeFile(triggerOf(cluster), '');
    const endMs = performance.now() + frozenWithinMs;
    while (!(await cluster.isFrozen(victim)) && performance.now() < endMs) await pause(lookMs);
    if (!(await cluster.isFrozen(victim))) note('NO commit came that could be frozen');
  },
  heal: async ({ cluster }) => {
    await rm(triggerOf(cluster), { force: true });
    await cluster.thaw(victim);
  },
  cleanUp: ({ cluster }) => cluster.restartWith(victim),
  acceptance: bothOf(recoversWithin(13_000), claimedWithin(3_000), refusesNothing, noNoteSaysNo),
};

function triggerOf({ dataFolder }: FaultCluster): string {
  return `${dataFolder}/freeze-inside`;
}
