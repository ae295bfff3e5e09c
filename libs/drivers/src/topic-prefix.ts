/** A log whose topics have a common beginning, so that several clusters, or others, share its servers. */
import type { Log } from '@chappe/log/log';

/** Owns `log`. */
export function withTopicPrefix(log: Log, prefix: string): Log {
  const named = (topic: string): string => prefix + topic;
  return {
    createTopic: (topic) => log.createTopic(named(topic)),
    deleteTopic: (topic) => log.deleteTopic(named(topic)),
    append: (appends) => log.append(appends.map(({ topic, records }) => ({ topic: named(topic), records }))),
    openReader: (topic, from, last) => log.openReader(named(topic), from, last),
    readAt: (topic, from, limit) => log.readAt(named(topic), from, limit),
    end: (topic) => log.end(named(topic)),
    copies: async (topics) =>
      (await log.copies(topics.map(named))).map((copies) => ({ ...copies, topic: copies.topic.slice(prefix.length) })),
    seal: (topics) => log.seal(topics.map(named)),
    sealedEnd: (topic) => log.sealedEnd(named(topic)),
    deleteBefore: (topic, offset) => log.deleteBefore(named(topic), offset),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
