/**
 * What a service says of itself: a logger and a metrics registry, handed in by `main.ts`.
 *
 * Metrics are named `chappe_<service>_<what>_<unit>`; labels are of low cardinality (never ids).
 * Logs are JSON lines with ids; never content, keys or whole phone numbers.
 */
import { pino, type Logger } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';

export type { Logger };

export interface Telemetry {
  readonly log: Logger;
  readonly metrics: Registry;
}

export interface TelemetryOptions {
  readonly service: string;
  /** pino's levels; `silent` for none. */
  readonly level: string;
  /** Where the lines go: a file descriptor. Absent: standard error (2). */
  readonly destination?: number;
}

export function openTelemetry(options: TelemetryOptions): Telemetry {
  const log = pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: options.destination ?? 2, sync: false }),
  );
  return { log, metrics: new Registry() };
}

/** How often it is looked how late the event loop is. At prom-client's 10 ms an idle cluster burned a tenth more. */
const eventLoopLookMs = 100;

/** Registers what any Node process tells: memory, processor time, collections, the event loop's delay. Once in a process. */
export function collectProcessMetrics({ metrics }: Telemetry): void {
  collectDefaultMetrics({ register: metrics, eventLoopMonitoringPrecision: eventLoopLookMs });
}

/** The same registry and log for a part of the process, with its own name in each line. */
export function telemetryFor(telemetry: Telemetry, service: string): Telemetry {
  return { log: telemetry.log.child({ service }), metrics: telemetry.metrics };
}

/** A phone number as logs may show it: its first digits and its length. */
export function redactNumber(digits: string): string {
  return `${digits.slice(0, 4)}…(${digits.length})`;
}
