/** The only place where billing counts or logs what happens. Amounts, never ids or numbers of people. */
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { Counter, Gauge } from 'prom-client';
import type { Effect } from './book.ts';

export interface BillingEvents {
  /** After the commit. */
  booked(effects: readonly Effect[]): void;
  /** From now on metrics show how many frames wait, and how long the oldest has, in ms. */
  reading(lag: () => number, oldestMs: () => number): void;
  purged(bookings: number): void;
  purgeFailed(error: unknown): void;
  unexpected(error: unknown, method: string): void;
}

export function billingEvents({ log, metrics }: Telemetry): BillingEvents {
  const registers = [metrics];
  const messages = new Counter({
    name: 'chappe_billing_bookings_total',
    help: 'Messages reserved, charged, delivered free of charge and released; repeated and late events',
    labelNames: ['outcome'],
    registers,
  });
  // At 0 from the start on: what is first seen at 1 is no increase to Prometheus.
  for (const outcome of ['reserved', 'charged', 'free', 'released', 'repeat', 'late', 'irrelevant'])
    messages.inc({ outcome }, 0);
  const charged = new Counter({
    name: 'chappe_billing_charged_micros_total',
    help: 'Millionths of the currency that were charged',
    labelNames: ['currency'],
    registers,
  });
  const purged = new Counter({
    name: 'chappe_billing_purged_bookings_total',
    help: 'Ended bookings removed by age',
    registers,
  });
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  return {
    booked: (effects) => {
      for (const effect of effects) {
        messages.labels(outcomeOf(effect)).inc();
        if (effect.kind === 'settle') charged.labels(effect.charge.currency).inc(effect.charge.micros);
      }
    },
    reading: (lag, oldestMs) => {
      gauge('chappe_billing_lag_frames', 'Event frames that wait to be booked', lag);
      gauge('chappe_billing_lag_seconds', 'Age of the oldest frame that waits', () => oldestMs() / 1_000);
    },
    purged: (count) => purged.inc(count),
    purgeFailed: (error) => log.warn({ event: 'purge_failed', err: error }),
    unexpected: (error, method) => log.error({ event: 'unexpected', method, err: error }),
  };
}

function outcomeOf(effect: Effect): string {
  switch (effect.kind) {
    case 'reserve':
      return 'reserved';
    case 'settle':
      return effect.charge.micros > 0 ? 'charged' : 'free';
    case 'release':
      return 'released';
    case 'nothing':
      return effect.because;
  }
}
