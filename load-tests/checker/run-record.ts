/**
 * An independent record of a run in numbers: what was handed over, what was answered, what each device
 * showed, what events and the ledger say. It knows nothing of how Chappe works; `problems` holds the five against
 * each other, each by the name of the promise that it breaks. About 120 bytes a message, so that a run may
 * have millions of them.
 *
 * A message is its place: 0, 1, 2, ... in the order in which messages were handed over. A lane is a
 * (number, contact). ORDER by intervals: a message is before another of its lane if both were handed over in
 * that order on one stream, or if it was answered before the other was handed over.
 */
import { Column } from './column.ts';

export const states = ['accepted', 'sent', 'delivered', 'read', 'failed', 'expired', 'cancelled'] as const;

export type State = (typeof states)[number];

/** The states that may directly follow one; a transition names every state that it enters. */
const next: Readonly<Record<State, readonly State[]>> = {
  accepted: ['sent', 'failed', 'expired', 'cancelled'],
  sent: ['delivered', 'failed', 'expired', 'cancelled'],
  delivered: ['read'],
  read: [],
  failed: [],
  expired: [],
  cancelled: [],
};

/** What became of a request. */
const open = 0;
const wasAccepted = 1;
/** It will never be. */
const wasRefused = 2;
/** Given up without knowing: it may be shown, once. */
const wasGivenUp = 3;

export interface RecordedMessage {
  readonly message: number;
  readonly lane: number;
  /** What was handed over on one stream has an order. */
  readonly stream: number;
  readonly atMs: number;
}

export interface RecordedShowing {
  readonly message: number;
  readonly device: number;
  /** Of the device and of the number that it says the message is from. */
  readonly lane: number;
  readonly atMs: number;
}

export interface RecordOptions {
  readonly names?: Names;
  /** False: a message ends when it is shown, and nobody is told or charged. Absent: true. */
  readonly hasEvents?: boolean;
}

/** How problems name things. */
export interface Names {
  readonly message: (message: number) => string;
  readonly lane: (lane: number) => string;
  readonly device: (device: number) => string;
}

const placeNames: Names = {
  message: (message) => `message ${message}`,
  lane: (lane) => `lane ${lane}`,
  device: (device) => `device ${device}`,
};

export class RunRecord {
  readonly #names: Names;
  readonly #hasEvents: boolean;
  readonly #lane = new Column(-1);
  readonly #stream = new Column();
  readonly #submittedMs = new Column();
  readonly #answeredMs = new Column(Infinity);
  readonly #outcome = new Column(open);
  /** One bit for each of `states`. */
  readonly #told = new Column();
  readonly #lastTold = new Column(-1);
  readonly #booked = new Column();
  readonly #firstShownMs = new Column(NaN);
  /** Showings, in the order in which they came. */
  readonly #shownMessage = new Column();
  readonly #shownDevice = new Column();
  readonly #shownLane = new Column();
  readonly #problems: string[] = [];
  /** Everything before this place is settled. */
  #settled = 0;
  readonly #counts = { accepted: 0, refused: 0, delivered: 0, ended: 0 };

  constructor({ names = placeNames, hasEvents = true }: RecordOptions = {}) {
    this.#names = names;
    this.#hasEvents = hasEvents;
  }

  get submitted(): number {
    return this.#lane.length;
  }

  /** What the record holds in memory. */
  get byteLength(): number {
    const columns = [this.#lane, this.#stream, this.#submittedMs, this.#answeredMs, this.#outcome, this.#told];
    columns.push(this.#lastTold, this.#booked, this.#firstShownMs);
    columns.push(this.#shownMessage, this.#shownDevice, this.#shownLane);
    return columns.reduce((bytes, column) => bytes + column.byteLength, 0);
  }

  get accepted(): number {
    return this.#counts.accepted;
  }

  get refused(): number {
    return this.#counts.refused;
  }

  /** How often something was shown on a device. */
  get shown(): number {
    return this.#shownMessage.length;
  }

  get delivered(): number {
    return this.#counts.delivered;
  }

  /** Accepted messages that came to their end. */
  get ended(): number {
    return this.#counts.ended;
  }

  /** Shown, and not yet told to be delivered. */
  get untold(): number {
    return this.#hasEvents ? Math.max(0, this.shown - this.#counts.delivered) : 0;
  }

  /** Accepted messages that ended without having been delivered. */
  get failed(): number {
    return this.#hasEvents ? this.#counts.ended - this.#counts.delivered : 0;
  }

  /** Those of one stream in the order of their places; others may come in between. */
  noteSubmitted({ message, lane, stream, atMs }: RecordedMessage): void {
    this.#lane.set(message, lane);
    this.#stream.set(message, stream);
    this.#submittedMs.set(message, atMs);
  }

  noteAccepted(message: number, atMs: number): void {
    this.#answeredMs.set(message, Math.min(this.#answeredMs.get(message), atMs));
    if (this.#outcome.get(message) === wasAccepted) return;
    this.#outcome.set(message, wasAccepted);
    this.#counts.accepted += 1;
  }

  /** @param isFinal false: the caller gave up without knowing, so it may be shown, once */
  noteRefused(message: number, isFinal: boolean): void {
    this.#outcome.set(message, isFinal ? wasRefused : wasGivenUp);
    this.#counts.refused += 1;
  }

  noteShown({ message, device, lane, atMs }: RecordedShowing): void {
    this.#shownMessage.push(message);
    this.#shownDevice.push(device);
    this.#shownLane.push(lane);
    if (!Number.isNaN(this.#firstShownMs.get(message))) return;
    this.#firstShownMs.set(message, atMs);
    if (!this.#hasEvents) this.#counts.ended += 1;
  }

  noteState(message: number, state: State): void {
    const place = states.indexOf(state);
    const last = states[this.#lastTold.get(message)];
    const follows = last === undefined ? state === 'accepted' || state === 'failed' : next[last].includes(state);
    if (!follows)
      this.#problems.push(`MONOTONE: ${this.#names.message(message)} went from ${last ?? 'nothing'} to ${state}`);
    const had = this.#told.get(message);
    this.#told.set(message, had | (1 << place));
    this.#lastTold.set(message, place);
    if (state === 'delivered') this.#counts.delivered += 1;
    if (hasEnded(had | (1 << place)) && !hasEnded(had)) this.#counts.ended += 1;
  }

  noteBooked(message: number): void {
    this.#booked.set(message, this.#booked.get(message) + 1);
  }

  /** Found by whoever writes the record. */
  noteProblem(problem: string): void {
    this.#problems.push(problem);
  }

  lastState(message: number): State | undefined {
    return states[this.#lastTold.get(message)];
  }

  lane(message: number): number {
    return this.#lane.get(message);
  }

  submittedMs(message: number): number {
    return this.#submittedMs.get(message);
  }

  /** Infinity: it was not. */
  answeredMs(message: number): number {
    return this.#answeredMs.get(message);
  }

  /** On the first of the person's devices. NaN: nowhere. */
  firstShownMs(message: number): number {
    return this.#firstShownMs.get(message);
  }

  /** Whether everything is answered, and what was accepted has ended and is booked. What has once ended stays so. */
  isSettled(): boolean {
    while (this.#settled < this.submitted && this.#isSettled(this.#settled)) this.#settled += 1;
    return this.#settled >= this.submitted;
  }

  /** Nothing when everything agrees. */
  *problems(): Iterable<string> {
    yield* this.#problems;
    yield* this.#losses();
    yield* this.#repeats();
    yield* this.#outOfOrder();
    yield* this.#charges();
  }

  #isSettled(message: number): boolean {
    const outcome = this.#outcome.get(message);
    if (outcome !== wasAccepted) return outcome !== open;
    if (!this.#hasEvents) return !Number.isNaN(this.#firstShownMs.get(message));
    const told = this.#told.get(message);
    return hasEnded(told) && (!isDelivered(told) || this.#booked.get(message) > 0);
  }

  *#losses(): Iterable<string> {
    for (let message = 0; message < this.submitted; message += 1) {
      const told = this.#told.get(message);
      const name = this.#names.message(message);
      if (this.#outcome.get(message) === open) yield `NO-LOSS: ${name} was never answered`;
      if (this.#outcome.get(message) !== wasAccepted) continue;
      const isShown = !Number.isNaN(this.#firstShownMs.get(message));
      if (this.#hasEvents ? !hasEnded(told) : !isShown) {
        const to = this.#names.lane(this.#lane.get(message));
        yield `NO-LOSS: ${name} to ${to} was accepted and is ${this.lastState(message) ?? 'nowhere'}`;
      } else if (isDelivered(told) && !isShown) {
        const to = this.#names.lane(this.#lane.get(message));
        yield `NO-LOSS: ${name} to ${to} is delivered and nobody was shown it`;
      }
    }
  }

  *#repeats(): Iterable<string> {
    const first = new Column(-1);
    const others = new Map<number, Set<number>>();
    for (let showing = 0; showing < this.shown; showing += 1) {
      const message = this.#shownMessage.get(showing);
      const device = this.#shownDevice.get(showing);
      const name = this.#names.message(message);
      const outcome = this.#outcome.get(message);
      if (message >= this.submitted || outcome === wasRefused) yield `ONCE: ${name} was shown and never accepted`;
      else if (this.#lane.get(message) !== this.#shownLane.get(showing))
        yield `TENANT: ${name} was shown to another person`;
      if (first.get(message) < 0) {
        first.set(message, device);
        continue;
      }
      const seen = others.get(message) ?? new Set([first.get(message)]);
      if (seen.has(device)) yield `ONCE: ${name} was shown twice on ${this.#names.device(device)}`;
      others.set(message, seen.add(device));
    }
  }

  /** On each device, and for the person by the first device that shows a message. */
  *#outOfOrder(): Iterable<string> {
    const onDevice = new Lanes();
    const forPerson = new Lanes();
    const isKnown = new Column();
    for (let showing = 0; showing < this.shown; showing += 1) {
      const message = this.#shownMessage.get(showing);
      if (message >= this.submitted) continue;
      const device = this.#shownDevice.get(showing);
      const lane = this.#shownLane.get(showing);
      const moment = {
        stream: this.#stream.get(message),
        place: message,
        submittedMs: this.#submittedMs.get(message),
        answeredMs: this.#answeredMs.get(message),
      };
      const name = this.#names.message(message);
      if (onDevice.isLate(`${device} ${lane}`, moment))
        yield `ORDER: ${name} was shown late (device ${this.#names.device(device)})`;
      if (isKnown.get(message) === 0 && forPerson.isLate(`${lane}`, moment))
        yield `ORDER: ${name} was shown late (person ${this.#names.lane(lane)})`;
      isKnown.set(message, 1);
    }
  }

  *#charges(): Iterable<string> {
    for (let message = 0; message < Math.max(this.submitted, this.#booked.length); message += 1) {
      const booked = this.#booked.get(message);
      const delivered = isDelivered(this.#told.get(message));
      if (booked === Number(delivered)) continue;
      const name = this.#names.message(message);
      if (booked > 1) yield `ONCE: ${name} was charged twice`;
      if (booked > 0 && !delivered) yield `ONCE: ${name} was charged and not delivered`;
      if (booked === 0) yield `ONCE: ${name} was delivered and not charged`;
    }
  }
}

interface Moment {
  readonly stream: number;
  readonly place: number;
  readonly submittedMs: number;
  readonly answeredMs: number;
}

/** What was shown in each lane so far, as far as ORDER needs it. */
class Lanes {
  readonly #lanes = new Map<string, { submittedMs: number; readonly places: Map<number, number> }>();

  /** Whether something that came after it was shown before it. */
  isLate(name: string, { stream, place, submittedMs, answeredMs }: Moment): boolean {
    const lane = this.#lanes.get(name) ?? { submittedMs: -Infinity, places: new Map() };
    const latest = lane.places.get(stream) ?? -1;
    const isLate = place < latest || answeredMs < lane.submittedMs;
    lane.places.set(stream, Math.max(latest, place));
    lane.submittedMs = Math.max(lane.submittedMs, submittedMs);
    this.#lanes.set(name, lane);
    return isLate;
  }
}

function isDelivered(told: number): boolean {
  return (told & (1 << states.indexOf('delivered'))) !== 0;
}

function hasEnded(told: number): boolean {
  return told >= 1 << states.indexOf('delivered');
}
