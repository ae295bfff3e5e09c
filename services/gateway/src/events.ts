/** The only place where the gateway counts or logs what happens in it. */
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { SendOutcome } from './send-batcher.ts';

export interface GatewayEvents {
  /** A message got its answer. */
  sent(outcome: SendOutcome): void;
  /** A batch's idempotency keys are committed. */
  keysClaimed(messages: number, startedAt: number): void;
  /** A message is in the log. */
  appended(startedAt: number): void;
  subscribers(change: 1 | -1): void;
  eventsStored(count: number): void;
  /** A reply that cannot be opened: its business gets it without text. */
  replyUnreadable(messageId: string): void;
  rowsExpired(count: number): void;
  /** A fault of the gateway, or of what it stands on. */
  unexpected(error: unknown, where: string): void;
}

export function gatewayEvents({ log, metrics }: Telemetry): GatewayEvents {
  const registers = [metrics];
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
  const subscribers = new Gauge({ name: 'chappe_gateway_subscribers', help: 'Open event streams', registers });
  const stored = new Counter({
    name: 'chappe_gateway_events_total',
    help: 'Events of event topics that were stored for their businesses',
    registers,
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
    sent(outcome) {
      if (outcome.kind === 'accepted') accepted.inc();
      else sent.labels(String(outcome.error.entry.code)).inc();
    },
    keysClaimed(messages, startedAt) {
      batch.observe(messages);
      keys.observe((performance.now() - startedAt) / 1_000);
    },
    appended: (startedAt) => append.observe((performance.now() - startedAt) / 1_000),
    subscribers: (change) => subscribers.inc(change),
    eventsStored: (count) => stored.inc(count),
    replyUnreadable(messageId) {
      unreadable.inc();
      log.error({ event: 'reply_unreadable', messageId });
    },
    rowsExpired: (count) => expired.inc(count),
    unexpected: (error, where) => log.error({ event: 'unexpected_fault', where, err: error }),
  };
}
