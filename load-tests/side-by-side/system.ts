/** What a system must offer to do the job, whatever it is made of. */
import type { Part } from './process-usage.ts';

export interface Observer {
  /** The other side has it. Times are milliseconds since 1970 with fractions. */
  delivered(index: number, atMs: number): void;
  /** The sending application has heard that it was delivered. */
  reported(index: number, atMs: number): void;
}

export interface RunningSystem extends AsyncDisposable {
  /** Its processes and those of the other side. */
  readonly parts: readonly Part[];
  /** Messages that are handed over and not accepted, at most. */
  readonly inFlight: number;
  /**
   * Resolves when the system has accepted the message.
   *
   * @throws Error if it refuses
   */
  submit(index: number, contact: string): Promise<void>;
}

export interface System {
  readonly name: string;
  readonly title: string;
  /** What is on which disk when a message counts as accepted. */
  readonly durability: string;
  /** What the job's promises are on it, and what it has that the others have not. */
  readonly promises: string;
  /** Starts it empty. */
  start(observer: Observer, contacts: readonly string[]): Promise<RunningSystem>;
}

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
