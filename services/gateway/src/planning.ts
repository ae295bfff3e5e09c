/** The part of ClusterService that tells what the coordinator plans. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { ClusterService } from '@chappe/proto/v1/cluster_service';
import { parsePlan, planKey } from '@chappe/ranges/cluster-plan';
import { leaderKey, parseLeader } from '@chappe/ranges/leader';
import type { Handlers as HandlersOf } from '@chappe/rpc/server';
import type { Callers } from './callers.ts';
import { answeringOutages } from './coordination-outage.ts';

type Handlers = Pick<HandlersOf<typeof ClusterService>, 'getPlan'>;

export function planning({
  callers,
  coordination,
}: {
  readonly callers: Callers;
  readonly coordination: Coordination;
}): Handlers {
  return {
    getPlan: async (_request, { bearer }) => {
      await callers.operator(bearer);
      const [entry, leader] = await answeringOutages(() =>
        Promise.all([coordination.get(planKey), coordination.get(leaderKey)]),
      );
      if (entry === undefined)
        throw new ChappeError('clusterBusy', 'no coordinator has made a plan yet: does one lead?');
      const plan = parsePlan(entry.value);
      const { actions, held, places } = plan;
      return {
        time: timestampFromMs(plan.atMs),
        leader: plan.leader,
        stale: leader === undefined || parseLeader(leader.value) !== plan.leader,
        watchedSince: timestampFromMs(plan.watchedSinceMs),
        shards: places.map(({ isLeaving, ...place }) => ({ ...place, draining: isLeaving })),
        actions: actions.map(({ kind, ranges, cuts, to = '', why, isBegun }) => ({
          kind,
          ranges: [...ranges],
          cuts: [...cuts],
          toShard: to,
          why,
          begun: isBegun,
        })),
        held: held.map((one) => ({ ...one })),
      };
    },
  };
}
