/** Which event topic a business's events go to: the one rule for writers and readers. */
import { createHash } from 'node:crypto';

export function eventTopic(bucket: number): string {
  return `events-${bucket}`;
}

/** 0 to `buckets` - 1. All events of a business are in one bucket, in the order of their ranges. */
export function eventBucketOf(business: string, buckets: number): number {
  return createHash('sha256').update(business).digest().readUInt32BE(0) % buckets;
}
