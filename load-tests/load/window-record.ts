/**
 * What the parts of a load test noted in one window, held by the checker's record, with the times that latency
 * is made of. Messages have numbers that go on over all windows; here they are places from 0.
 */
import { Column } from '../checker/column.ts';
import { RunRecord, states } from '../checker/run-record.ts';

/** Widths of the rows of each topic; the processes that note them say what is in them. */
const widths = { submitted: 6, accepted: 3, refused: 3, shown: 5, received: 4, told: 5, booked: 1 } as const;

type Topic = keyof typeof widths;

export class WindowRecord {
  readonly record: RunRecord;
  /** By code: requests that ended without an id. */
  readonly refusals = new Map<number, number>();
  /** By code: messages that were accepted and failed. */
  readonly failures = new Map<number, number>();
  readonly dueMs = new Column();
  readonly deliveredMs = new Column(NaN);
  /** Events that were read. */
  events = 0;
  readonly #first: number;
  readonly #ids = new Column();
  readonly #businesses: number;
  #placeOfId: Map<number, number> | undefined;

  /** @param first number of the window's first message @param areReplies nobody is told or charged */
  constructor(first: number, businesses: number, areReplies: boolean) {
    this.#first = first;
    this.#businesses = businesses;
    const names = {
      message: (place: number) => `${areReplies ? 'reply' : 'message'} ${first + place}`,
      lane: (lane: number) => `contact ${Math.trunc(lane / businesses)} of business ${lane % businesses}`,
      device: (contact: number) => (areReplies ? 'to the business' : `of contact ${contact}`),
    };
    this.record = new RunRecord({ names, hasEvents: !areReplies });
  }

  /** Rows of one topic, in the order in which they were noted. Unknown topics are somebody else's. */
  take(topic: string, rows: Float64Array): void {
    if (!isTopic(topic)) return;
    const width = widths[topic];
    for (let at = 0; at < rows.length; at += width) this.#takeRow(topic, (place) => rows[at + place] ?? NaN);
  }

  /**
   * From when messages were due until a moment of each; without those that have none.
   *
   * @param isIn absent: all
   * @param fromMs absent: when they were due
   */
  latencies(
    atMs: (place: number) => number,
    isIn: (contact: number, business: number) => boolean = () => true,
    fromMs?: (place: number) => number,
  ): Float64Array {
    const values = this.dueMs.toArray();
    for (const [place, dueMs] of values.entries()) {
      const lane = this.record.lane(place);
      const counts = isIn(this.contactOf(place), lane % this.#businesses);
      values[place] = counts ? atMs(place) - (fromMs?.(place) ?? dueMs) : NaN;
    }
    return values.filter((value) => Number.isFinite(value));
  }

  /** To whom, or from whom a reply. */
  contactOf(place: number): number {
    return Math.trunc(this.record.lane(place) / this.#businesses);
  }

  lastShownMs(): number {
    let latestMs = -Infinity;
    for (let place = 0; place < this.record.submitted; place += 1) {
      const atMs = this.record.firstShownMs(place);
      if (atMs > latestMs) latestMs = atMs;
    }
    return latestMs;
  }

  shownPerSecond(fromMs: number, toMs: number): number {
    let count = 0;
    for (let place = 0; place < this.record.submitted; place += 1) {
      const atMs = this.record.firstShownMs(place);
      if (atMs >= fromMs && atMs < toMs) count += 1;
    }
    return toMs > fromMs ? (count * 1_000) / (toMs - fromMs) : 0;
  }

  #takeRow(topic: Topic, field: (place: number) => number): void {
    if (topic === 'booked') return this.#takeBooked(field(0));
    const message = field(0) - this.#first;
    if (!(message >= 0)) {
      this.record.noteProblem(`ONCE: message ${field(0)}, or one without a number, was ${topic} after its window`);
      return;
    }
    switch (topic) {
      case 'submitted':
        this.record.noteSubmitted({
          message,
          lane: this.#laneOf(field(2), field(1)),
          stream: field(3),
          atMs: field(5),
        });
        this.dueMs.set(message, field(4));
        return;
      case 'accepted':
        this.record.noteAccepted(message, field(1));
        this.#noteId(message, field(2));
        return;
      case 'refused':
        this.record.noteRefused(message, field(1) === 1);
        countOne(this.refusals, field(2));
        return;
      case 'shown':
        this.record.noteShown({ message, device: field(1), lane: this.#laneOf(field(1), field(2)), atMs: field(4) });
        this.#noteId(message, field(3));
        return;
      case 'received':
        this.record.noteShown({ message, device: 0, lane: this.#laneOf(field(1), field(2)), atMs: field(3) });
        return;
      case 'told': {
        const state = states[field(1)];
        if (state === undefined) return;
        this.events += 1;
        this.record.noteState(message, state);
        this.#noteId(message, field(2));
        if (state === 'failed') countOne(this.failures, field(4));
        if (state === 'delivered') this.deliveredMs.set(message, field(3));
      }
    }
  }

  #takeBooked(id: number): void {
    this.#placeOfId ??= new Map(
      this.#ids
        .toArray()
        .entries()
        .map(([place, known]) => [known, place]),
    );
    const message = this.#placeOfId.get(id);
    if (message === undefined) this.record.noteProblem('ONCE: something was charged that is not of this window');
    else this.record.noteBooked(message);
  }

  #noteId(message: number, id: number): void {
    const known = this.#ids.get(message);
    if (known === 0) this.#ids.set(message, id);
    else if (known !== id) this.record.noteProblem(`ONCE: message ${this.#first + message} has two ids`);
  }

  #laneOf(contact: number, business: number): number {
    return contact * this.#businesses + business;
  }
}

function countOne(counts: Map<number, number>, code: number): void {
  counts.set(code, (counts.get(code) ?? 0) + 1);
}

function isTopic(topic: string): topic is Topic {
  return topic in widths;
}
