/** What a system must offer to do the job, whatever it is made of. */
import type { Part } from './process-usage.ts';

export interface Observer {
  /** The other side has it. Times are those of the monotonic clock, in milliseconds. */
  delivered(index: number, atMs: number): void;
  /** The sending application has heard that it was delivered. */
  reported(index: number, atMs: number): void;
}

export interface RunningSystem extends AsyncDisposable {
  /** Its processes and those of the other side. */
  readonly parts: readonly Part[];
  /** What the other side waits before it says "delivered": no part of the system. */
  readonly receiptDelayMs: number;
  /** Messages that are handed over and not accepted, at most. */
  readonly inFlight: number;
  /**
   * Resolves when the system has accepted the message.
   *
   * @throws Error if it refuses
   */
  submit(index: number, contact: string): Promise<void>;
  /** Ends every process of the system with SIGKILL, opens the other side and starts them again on what they left. */
  crash?(): Promise<void>;
}

export interface System {
  readonly name: string;
  readonly title: string;
  /** What is on which disk when a message counts as accepted. */
  readonly durability: string;
  /** What it promises besides, and what it does not do. */
  readonly promises: string;
  /** How messages are handed over. */
  readonly takes: string;
  /** Starts it empty. @param contacts how many people it is to know: the first places of `numberAt` */
  start(observer: Observer, contacts: number): Promise<RunningSystem>;
  /** The same with nobody at the other side, for a crash while everything waits. Absent: not made for this run. */
  startClosed?(observer: Observer): Promise<RunningSystem>;
}
