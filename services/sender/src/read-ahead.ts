/**
 * What was read of a range's topic and is not done: bounded, in the order of the log for the floor and for time, by
 * turns of businesses for the next batch. No clock, no I/O.
 *
 * Invariants: what lies below `nextOffset` is forgotten; times never decrease along the log, whatever is done first.
 */
import type { LogRecord } from '@chappe/log/log';
import { BusinessTurns, demandOf } from './business-turns.ts';
import { isDone } from './done-beyond.ts';
import { aboveShare } from './fair-share.ts';
import type { Progress } from './fence.ts';
import { aboveShareMax, batchBytesMax, readAheadBytesPerCommand } from './limits.ts';
import { Queue } from './queue.ts';
import { readCommand, type ReadableCommand, type UnknownCommand } from './read-commands.ts';

export interface ReadAheadLimits {
  readonly recordsMax: number;
  /** May change: what is over it stays until it is done. */
  readonly bytesMax: () => number;
}

interface Entry {
  readonly timeMs: number;
  /** Absent: it is done. */
  command: ReadableCommand | undefined;
}

interface Use {
  commands: number;
  bytes: number;
}

export class ReadAhead {
  readonly #limits: ReadAheadLimits;
  /** What was done when the range was claimed. */
  readonly #claimed: Progress;
  /** From `nextOffset` on. */
  #entries = new Queue<Entry>();
  #turns = new BusinessTurns();
  /** Read since the last look: nothing comes between a look and what is taken by it. */
  #added: ReadableCommand[] = [];
  readonly #uses = new Map<string, Use>();
  #nextOffset: number;
  #timeMs: number;
  #newestAppendTimeMs = 0;
  #end = Infinity;
  #unknown: UnknownCommand | undefined;
  #size = 0;
  #bytes = 0;

  constructor(claimed: Progress, limits: ReadAheadLimits) {
    this.#limits = limits;
    this.#claimed = claimed;
    this.#nextOffset = claimed.nextOffset;
    this.#timeMs = claimed.floorTimeMs;
  }

  /** Commands that are not done. */
  get size(): number {
    return this.#size;
  }

  /** Who has commands that are not done. */
  get businesses(): number {
    return this.#uses.size;
  }

  /** Records that may be read before it is full. */
  get room(): number {
    if (this.#unknown !== undefined || this.#bytes >= Math.max(batchBytesMax, this.#limits.bytesMax())) return 0;
    return Math.max(0, this.#limits.recordsMax - this.#entries.size);
  }

  /** What a newer version wrote: nothing behind it is taken, nor read. */
  get unknown(): UnknownCommand | undefined {
    return this.#unknown;
  }

  /** Of the lowest record that is not done; undefined: there is none. */
  get oldestAppendTimeMs(): number | undefined {
    return this.#entries.first?.command?.record.appendTimeMs;
  }

  /** The latest of all that was read here; 0: nothing was. */
  get newestAppendTimeMs(): number {
    return this.#newestAppendTimeMs;
  }

  /** There is something to do. Not before all that was read under a former claim was read again: what time it is behind it is not known. */
  get hasNext(): boolean {
    return this.#size > 0 && this.#nextOffset + this.#entries.size > this.#claimed.lastOffset;
  }

  /** The next records, in order. */
  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (this.#unknown !== undefined || record.offset >= this.#end) return;
      this.#add(record);
    }
  }

  /** What lies from an offset on is not its own: it is neither read nor done. */
  endAt(offset: number): void {
    this.#end = offset;
    if ((this.#unknown?.record.offset ?? -1) >= offset) this.#unknown = undefined;
  }

  /** The next commands by turn, so many at most. */
  look(countMax: number): ReadableCommand[] {
    if (this.#nextOffset + this.#entries.size > this.#end) this.#cutOff();
    for (const command of this.#added) this.#turns.add(command);
    this.#added = [];
    return this.hasNext ? this.#turns.look(countMax) : [];
  }

  /** The latest append time up to the record before an offset. @throws Error if it is not among what was read */
  timeBelow(offset: number): number {
    const entry = this.#entries.at(offset - 1 - this.#nextOffset);
    if (entry === undefined) throw new Error('what was not read has no time');
    return entry.timeMs;
  }

  /** Whether every command of a contact below an offset is done. */
  isDone(contact: string, offset: number): boolean {
    if (this.#nextOffset >= offset) return true;
    if (this.#nextOffset + this.#entries.size < offset) return false;
    const first = this.#turns.firstOf(contact) ?? this.#added.find(({ record }) => record.key === contact);
    return first === undefined || first.record.offset >= offset;
  }

  /** The first commands of the last look are done, and everything below an offset. */
  done(count: number, nextOffset: number): void {
    for (const command of this.#turns.take(count)) {
      const entry = this.#entries.at(command.record.offset - this.#nextOffset);
      if (entry !== undefined) entry.command = undefined;
      this.#count(command, -1);
    }
    for (; this.#nextOffset < nextOffset; this.#nextOffset += 1) this.#entries.shift();
  }

  /** The businesses that have more than their share of what may be read ahead, those with the most first. */
  aboveShare(): string[] {
    const bytesMax = this.#limits.bytesMax();
    const parts = [...this.#uses].map(([business, { commands, bytes }]): [string, number] => [
      business,
      Math.max(commands / this.#limits.recordsMax, bytes / bytesMax),
    ]);
    const above = aboveShare(new Map(parts)).filter((business) => business !== '');
    return above.slice(0, aboveShareMax);
  }

  #add(record: LogRecord): void {
    this.#timeMs = Math.max(this.#timeMs, record.appendTimeMs);
    const timeMs = this.#timeMs;
    if (isDone(this.#claimed, record.offset)) {
      this.#entries.push({ timeMs, command: undefined });
      return;
    }
    const command = readCommand(record, timeMs);
    if (command.kind === 'unknown') {
      this.#unknown = command;
      return;
    }
    this.#newestAppendTimeMs = Math.max(this.#newestAppendTimeMs, record.appendTimeMs);
    this.#entries.push({ timeMs, command });
    this.#added.push(command);
    this.#count(command, 1);
  }

  /** Only what nobody should have been able to append: the topic was sealed. */
  #cutOff(): void {
    const entries = this.#entries.toArray();
    const own = Math.max(0, this.#end - this.#nextOffset);
    for (const { command } of entries.slice(own)) if (command !== undefined) this.#count(command, -1);
    this.#entries = new Queue(entries.slice(0, own));
    this.#added = entries.slice(0, own).flatMap(({ command }) => command ?? []);
    this.#turns = new BusinessTurns();
  }

  #count(command: ReadableCommand, by: 1 | -1): void {
    const { business } = demandOf(command);
    const bytes = by * (command.record.value.length + readAheadBytesPerCommand);
    this.#size += by;
    this.#bytes += bytes;
    const use = this.#uses.get(business) ?? { commands: 0, bytes: 0 };
    use.commands += by;
    use.bytes += bytes;
    if (use.commands === 0) this.#uses.delete(business);
    else this.#uses.set(business, use);
  }
}
