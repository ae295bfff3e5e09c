/** What the copies of topics mean: whether the loss of a zone would be the loss of what was accepted. */
import type { TopicCopies } from '@chappe/log/log';

export type Redundancy =
  /** Every copy is in sync. */
  | 'whole'
  /** Some are not; those that are lie in several zones. */
  | 'reduced'
  /** Some are not; those that are lie in one zone. With that zone's disks what they alone have is lost. */
  | 'one_zone'
  /** None is. */
  | 'none';

function redundancyOf({ wanted, inSync, inSyncZones }: TopicCopies): Redundancy {
  // All copies in one zone is how the topic was made.
  if (inSync >= wanted) return 'whole';
  if (inSync === 0) return 'none';
  return inSyncZones > 1 ? 'reduced' : 'one_zone';
}

/** How many topics there are of each kind. */
export function countRedundancy(copies: readonly TopicCopies[]): Record<Redundancy, number> {
  const counts = { whole: 0, reduced: 0, one_zone: 0, none: 0 };
  for (const topic of copies) counts[redundancyOf(topic)] += 1;
  return counts;
}
