/** The leader's look at the copies of the cluster's topics, said as a metric. */
import type { Coordination } from '@chappe/coordination/coordination';
import { eventTopic } from '@chappe/event-consumer/bucket';
import { copiesTopicsMax } from '@chappe/log/limits';
import type { Log, TopicCopies } from '@chappe/log/log';
import { parseRange, rangePrefix } from '@chappe/ranges/range';
import { redundancyLookMs } from './limits.ts';
import type { PlacementEvents } from './placement-events.ts';
import { countRedundancy } from './redundancy.ts';

export interface RedundancyDependencies {
  readonly coordination: Coordination;
  readonly log: Log;
  readonly events: Pick<PlacementEvents, 'sawCopies'>;
  readonly eventBuckets: number;
}

/** @returns after how many ms the next look is due */
export async function lookAtRedundancy(dependencies: RedundancyDependencies): Promise<number> {
  const { coordination, log, events, eventBuckets } = dependencies;
  const ranges = (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value));
  const topics = [
    ...ranges.map(({ topic }) => topic),
    ...Array.from({ length: eventBuckets }, (_, bucket) => eventTopic(bucket)),
  ];
  const copies: TopicCopies[] = [];
  for (let from = 0; from < topics.length; from += copiesTopicsMax)
    copies.push(...(await log.copies(topics.slice(from, from + copiesTopicsMax))));
  events.sawCopies(countRedundancy(copies));
  return redundancyLookMs;
}
