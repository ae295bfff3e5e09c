/** The only place where the gateway counts or logs what happens in it. */
import type { BusinessEvent } from '@chappe/proto/internal/events';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { SendOutcome } from './send-batcher.ts';

export interface GatewayEvents {
  /** A message of a business got its answer. */
  sent(business: string, outcome: SendOutcome): void;
  /** A batch's idempotency keys are committed. */
  keysClaimed(messages: number, startedAt: number): void;
  /** Appends of a range waited for the range that replaces it. */
  held(range: string, ms: number): void;
  /** A message is in the log. */
  appended(startedAt: number): void;
  subscribers(change: 1 | -1): void;
  eventsStored(events: readonly BusinessEvent[]): void;
  /** From now on metrics show how many event frames wait, and how long the oldest has, in ms. */
  reading(lag: () => number, oldestMs: () => number): void;
  /** A reply that cannot be opened: its business gets it without text. */
  replyUnreadable(messageId: string): void;
  rowsExpired(count: number): void;
  /** A fault of the gateway, or of what it stands on. */
  unexpected(error: unknown, where: string): void;
}

/** What stands for every business that the operator has not named. */
const others = 'other';

/** @param named ids of the businesses that are counted by themselves */
export function gatewayEvents({ log, metrics }: Telemetry, named: readonly string[]): GatewayEvents {
  const registers = [metrics];
  const countedAlone = new Set(named);
  const businessOf = (id: string): string => (countedAlone.has(id) ? id : others);
  const sent = new Counter({
    name: 'chappe_gateway_messages_total',
    help: 'Messages answered, by the code of the refusal (0: accepted)',
    labelNames: ['code'],
    registers,
  });
  const accepted = sent.labels('0');
  const batch = new Histogram({
    name: 'chappe_gateway_batch_messages',
    help: 'Messages in one batch',
    buckets: [1, 5, 20, 50, 100, 200, 500],
    registers,
  });
  const stages = new Histogram({
    name: 'chappe_gateway_stage_seconds',
    help: 'How long a stage of sending took: keys (one batch), append (one message)',
    labelNames: ['stage'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
    registers,
  });
  const keys = stages.labels('keys');
  const append = stages.labels('append');
  const held = new Histogram({
    name: 'chappe_gateway_append_held_seconds',
    help: 'How long the appends of a range waited because its topic was sealed, for the range that replaces it',
    buckets: [0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5],
    registers,
  });
  const subscribers = new Gauge({ name: 'chappe_gateway_subscribers', help: 'Open event streams', registers });
  const stored = new Counter({
    name: 'chappe_gateway_events_total',
    help: 'Events of event topics that were stored for their businesses',
    registers,
  });
  const answersOf = new Counter({
    name: 'chappe_gateway_business_messages_total',
    help: 'Messages answered, by business (those that are named, `other`) and outcome',
    labelNames: ['business', 'outcome'],
    registers,
  });
  const eventsOf = new Counter({
    name: 'chappe_gateway_business_events_total',
    help: 'Events stored, by business (those that are named, `other`) and what they say',
    labelNames: ['business', 'event'],
    registers,
  });
  for (const business of [...countedAlone, others]) answersOf.inc({ business, outcome: 'accepted' }, 0);
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const unreadable = new Counter({
    name: 'chappe_gateway_unreadable_replies_total',
    help: 'Replies handed over without their text, because no key opens them',
    registers,
  });
  const expired = new Counter({
    name: 'chappe_gateway_expired_rows_total',
    help: 'Request keys and events deleted because of their age',
    registers,
  });
  return {
    sent(business, outcome) {
      answersOf.inc({ business: businessOf(business), outcome: outcome.kind });
      if (outcome.kind === 'accepted') accepted.inc();
      else sent.labels(String(outcome.error.entry.code)).inc();
    },
    keysClaimed(messages, startedAt) {
      batch.observe(messages);
      keys.observe((performance.now() - startedAt) / 1_000);
    },
    held: (range, ms) => {
      held.observe(ms / 1_000);
      log.info({ range, heldMs: Math.round(ms) }, 'appends of a range that is replaced go on');
    },
    appended: (startedAt) => append.observe((performance.now() - startedAt) / 1_000),
    subscribers: (change) => subscribers.inc(change),
    eventsStored(events) {
      stored.inc(events.length);
      for (const { business, kind } of events) eventsOf.inc({ business: businessOf(business), event: wordOf(kind) });
    },
    reading: (lag, oldestMs) => {
      gauge('chappe_gateway_event_lag_frames', 'Event frames that wait to be stored', lag);
      gauge('chappe_gateway_event_lag_seconds', 'Age of the oldest frame that waits', () => oldestMs() / 1_000);
    },
    replyUnreadable(messageId) {
      unreadable.inc();
      log.error({ event: 'reply_unreadable', messageId });
    },
    rowsExpired: (count) => expired.inc(count),
    unexpected: (error, where) => log.error({ event: 'unexpected_fault', where, err: error }),
  };
}

/** Of a closed list: the state that a message entered, or the kind of event. */
function wordOf(kind: BusinessEvent['kind']): string {
  switch (kind.case) {
    case 'state':
      return kind.value.state;
    case 'optIn':
      return 'opt_in';
    case undefined:
      return 'unknown';
    case 'received':
    case 'block':
    case 'identity':
      return kind.case;
  }
}
