/**
 * What was promised, held against what is seen from outside: requests and answers, showings, committed statements,
 * told events, ciphertexts. It asks the product nothing, and is told by it of nothing.
 *
 * NO-LOSS, ONCE, ORDER, MONOTONE and TENANT are the record's of all load tests. FENCE and SECRET are seen at the
 * store: whose claim of a range was the last one that was committed, and which text left under which message key.
 */
import { RunRecord, states, type RecordedShowing, type State } from '../checker/run-record.ts';
import { messageKeyOf, readLetter, type Letter } from './counter-crypto.ts';
import type { Statement } from './network-store.ts';
import { DoneRecords } from './done-records.ts';
import { contactsOfAll, devices, laneAt } from './people.ts';
import type { Life } from './virtual-time.ts';

/** What is wrong as soon as it is seen; all else may still come right. */
const isAtOnce = /^(ORDER|MONOTONE|TENANT|FENCE|SECRET|BOUND|ALARM)|^ONCE: .* (twice|never accepted)/;

interface Claimed {
  readonly start: string;
  readonly end: string;
  life: Life | undefined;
  epoch: number;
  /** Counts the claims: of those whose interval holds a contact the last one counts. */
  no: number;
}

export class Promises {
  readonly record = new RunRecord({
    names: {
      message: (place) => `m${place}`,
      lane: (place) => {
        const { contact, number } = laneAt(place);
        return `${contact} from ${number}`;
      },
      device: (place) => {
        const device = devices[place];
        return device === undefined ? String(place) : `${device.contact}/${device.device}`;
      },
    },
  });
  readonly #ranges = new Map<string, Claimed>();
  readonly #texts = new Map<string, string>();
  readonly #done = new DoneRecords();
  #claims = 0;
  /** Something was seen since the last look. */
  #isNew = false;

  note(problem: string): void {
    this.record.noteProblem(problem);
    this.#isNew = true;
  }

  noteShown(showing: RecordedShowing): void {
    this.record.noteShown(showing);
    this.#isNew = true;
  }

  /** A transaction of the senders' store was committed. */
  senderCommitted(client: Life, statements: readonly Statement[]): void {
    for (const statement of statements) {
      this.#noteClaim(client, statement);
      this.#noteDone(statement);
    }
    for (const range of this.#touched(statements)) {
      if (range.life === client) continue;
      this.note(`FENCE: ${client.label} changed what ${range.life?.label ?? 'nobody'} has claimed since`);
    }
    for (const { table, rows = [] } of statements) {
      if (table !== 'envelopes') continue;
      for (const value of rows.flat()) if (value instanceof Uint8Array) this.letterLeft(readLetter(value));
    }
  }

  /** Something that was encrypted is out of the sender's hands. */
  letterLeft(letter: Letter): void {
    const key = messageKeyOf(letter);
    const text = `${letter.messageId} ${letter.text}`;
    const before = this.#texts.get(key);
    if (before === undefined) this.#texts.set(key, text);
    else if (before !== text) this.note(`SECRET: a message key was used for two texts, ${before} and ${text}`);
  }

  /** A transaction of the events' reader was committed: rows of `told` and `booked`. */
  eventsCommitted(statements: readonly Statement[]): void {
    this.#isNew = true;
    for (const { table, rows = [] } of statements) {
      for (const [id, messageId, state] of rows) {
        if (table === 'told') this.#noteTold(String(messageId), String(state));
        if (table === 'booked') this.record.noteBooked(placeOf(String(id)));
      }
    }
  }

  /** The first promise that is broken beyond repair. */
  brokenNow(): string | undefined {
    if (!this.#isNew) return undefined;
    this.#isNew = false;
    for (const problem of this.record.problems()) if (isAtOnce.test(problem)) return problem;
    return undefined;
  }

  /** After everything had time to come to its end: what is wrong. */
  brokenAtEnd(): string[] {
    return [...this.record.problems()];
  }

  #noteTold(messageId: string, text: string): void {
    const state = states.find((one): one is State => one === text);
    if (state !== undefined) this.record.noteState(placeOf(messageId), state);
  }

  #noteClaim(client: Life, { sql, parameters, table, rows = [], matched }: Statement): void {
    if (table === 'range_progress') {
      for (const [id, start, end] of rows) {
        const fresh = { start: String(start), end: String(end), life: undefined, epoch: 0, no: 0 };
        if (!this.#ranges.has(String(id))) this.#ranges.set(String(id), fresh);
      }
    }
    if (!/^\s*UPDATE range_progress\s+SET epoch/.test(sql) || matched !== 1) return;
    const [epoch, , , , , id] = parameters;
    const range = this.#ranges.get(String(id));
    if (range === undefined) return;
    if (Number(epoch) < range.epoch)
      this.note(
        `FENCE: ${client.label} claimed ${String(id)} under ${String(epoch)}, which was claimed under ${range.epoch}`,
      );
    this.#claims += 1;
    Object.assign(range, { life: client, epoch: Number(epoch), no: this.#claims });
  }

  #noteDone({ sql, parameters, matched }: Statement): void {
    if (!/^\s*UPDATE range_progress\s+SET next_offset = \?, done_beyond = \?/.test(sql) || matched !== 1) return;
    const problem = this.#done.note(parameters);
    if (problem !== undefined) this.note(problem);
  }

  /** Every range that a transaction wrote something of. */
  #touched(statements: readonly Statement[]): Set<Claimed> {
    const touched = new Set<Claimed>();
    for (const { parameters, rows = [], sql, table, matched } of statements) {
      // A fence row's bounds may be people's numbers, and are nobody's state.
      if (sql.startsWith('SELECT') || matched === 0 || table === 'range_progress') continue;
      for (const value of [...parameters, ...rows.flat()]) {
        if (typeof value !== 'string') continue;
        const range = this.#ranges.get(value) ?? (contactsOfAll.has(value) ? this.#rangeOf(value) : undefined);
        if (range !== undefined) touched.add(range);
      }
    }
    return touched;
  }

  #rangeOf(contact: string): Claimed | undefined {
    let last: Claimed | undefined;
    for (const range of this.#ranges.values()) {
      if (contact >= range.start && contact < range.end && range.no > (last?.no ?? 0)) last = range;
    }
    return last;
  }
}

export function messageIdOf(place: number): string {
  return `m${place}`;
}

export function placeOf(messageId: string): number {
  return Number(messageId.slice(1));
}
