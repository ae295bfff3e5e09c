/**
 * An independent record of a run: what was handed over, what was answered, what each device showed,
 * what events and the ledger say. It knows nothing of how Chappe works; `problems` holds the five
 * against each other, each by the name of the promise that it breaks.
 *
 * ORDER by intervals: a message is before another of the same (number, contact) if both were handed
 * over in that order on one stream, or if it was answered before the other was handed over.
 */
import { createHash } from 'node:crypto';

export type State = 'accepted' | 'sent' | 'delivered' | 'read' | 'failed' | 'expired' | 'cancelled';

export interface Submitted {
  /** The idempotency key. */
  readonly key: string;
  readonly contact: string;
  /** The business number. */
  readonly number: string;
  /** What was handed over on one stream has an order. Absent: all of it on one. */
  readonly stream?: string;
}

interface Entry extends Submitted {
  readonly stream: string;
  /** In the order in which they were handed over. */
  readonly place: number;
  readonly submittedMs: number;
  answeredMs: number;
}

interface Showing {
  readonly contact: string;
  readonly device: string;
  readonly number: string;
  readonly messageId: string;
  /** What the text says; absent: it says nothing. */
  readonly key: string | undefined;
  readonly atMs: number;
}

/** When a message came where; on this process's monotonic clock. */
export interface Passage {
  readonly key: string;
  readonly contact: string;
  readonly submittedMs: number;
  readonly answeredMs: number | undefined;
  /** On the first of the person's devices. */
  readonly shownMs: number | undefined;
}

interface Told {
  readonly states: State[];
}

/** The states that may directly follow one; a transition names every state that it enters. */
const next: Readonly<Record<State, readonly State[]>> = {
  accepted: ['sent', 'delivered', 'failed', 'expired', 'cancelled'],
  sent: ['delivered', 'failed', 'expired', 'cancelled'],
  delivered: ['read'],
  read: [],
  failed: [],
  expired: [],
  cancelled: [],
};

export class Tally {
  /** By key, in the order in which they were handed over. */
  readonly #submitted = new Map<string, Entry>();
  /** Message id by key, and back. */
  readonly #accepted = new Map<string, string>();
  readonly #keys = new Map<string, string>();
  /** Whether the refusal says that the message will never be; else nobody knows what became of it. */
  readonly #refused = new Map<string, boolean>();
  readonly #shown: Showing[] = [];
  readonly #told = new Map<string, Told>();
  readonly #eventIds = new Set<string>();
  readonly #booked: string[] = [];
  readonly #replied: string[] = [];
  readonly #heard: string[] = [];
  /** By device and message key: what was encrypted under it. */
  readonly #encrypted = new Map<string, string>();
  readonly #problems: string[] = [];

  get accepted(): number {
    return this.#accepted.size;
  }

  /** Accepted or refused. */
  get answered(): number {
    return this.#accepted.size + this.#refused.size;
  }

  get submitted(): number {
    return this.#submitted.size;
  }

  get refused(): number {
    return this.#refused.size;
  }

  /** On how many devices something was shown. */
  get shown(): number {
    return this.#shown.length;
  }

  noteSubmitted(submitted: Submitted, atMs = performance.now()): void {
    const { stream = '' } = submitted;
    const place = this.#submitted.size;
    this.#submitted.set(submitted.key, { ...submitted, stream, place, submittedMs: atMs, answeredMs: Infinity });
  }

  noteAccepted(key: string, messageId: string, atMs = performance.now()): void {
    const entry = this.#submitted.get(key);
    if (entry !== undefined) entry.answeredMs = Math.min(entry.answeredMs, atMs);
    const before = this.#accepted.get(key);
    if (before !== undefined && before !== messageId) this.#problems.push(`ONCE: ${key} was accepted as two messages`);
    const other = this.#keys.get(messageId);
    if (other !== undefined && other !== key) this.#problems.push(`ONCE: ${messageId} was given for two keys`);
    this.#accepted.set(key, messageId);
    this.#keys.set(messageId, key);
  }

  /** @param isFinal false: the caller gave up without knowing, so it may be shown, once */
  noteRefused(key: string, isFinal = true): void {
    this.#refused.set(key, isFinal);
  }

  /** @param key what the text says, where texts say it: then the checker need not trust ids */
  noteShown(
    contact: string,
    device: string,
    number: string,
    messageId: string,
    key?: string,
    atMs = performance.now(),
  ): void {
    this.#shown.push({ contact, device, number, messageId, key, atMs });
  }

  noteState(eventId: string, messageId: string, state: State): void {
    if (this.#eventIds.has(eventId)) this.#problems.push(`ONCE: event ${eventId} came twice`);
    this.#eventIds.add(eventId);
    const told = this.#told.get(messageId) ?? { states: [] };
    const last = told.states.at(-1);
    const follows = last === undefined ? state === 'accepted' || state === 'failed' : next[last].includes(state);
    if (!follows) this.#problems.push(`MONOTONE: ${messageId} went from ${last ?? 'nothing'} to ${state}`);
    told.states.push(state);
    this.#told.set(messageId, told);
  }

  /** An envelope may come again as it is; another one under the same message key is a second text under it. */
  noteEnvelope(device: string, messageKey: string, ciphertext: Uint8Array): void {
    const name = `${device} ${messageKey}`;
    const digest = createHash('sha256').update(ciphertext).digest('base64');
    const before = this.#encrypted.get(name);
    if (before !== undefined && before !== digest)
      this.#problems.push(`SECRET: a message key was used for two texts to ${device}`);
    this.#encrypted.set(name, digest);
  }

  noteBooked(messageId: string): void {
    this.#booked.push(messageId);
  }

  /** A reply that a handset was told is in the log; one that a business received. */
  noteReplied(text: string): void {
    this.#replied.push(text);
  }

  noteHeard(text: string): void {
    this.#heard.push(text);
  }

  /** Whether everything that was accepted has ended, is booked, and every reply has come. */
  isSettled(): boolean {
    const ended = [...this.#accepted.values()].every((id) => this.#hasEnded(id));
    const delivered = [...this.#accepted.values()].filter((id) => this.#isDelivered(id)).length;
    return ended && this.#booked.length >= delivered && this.#heard.length >= this.#replied.length;
  }

  /** Empty when everything agrees. */
  problems(): readonly string[] {
    return [
      ...this.#problems,
      ...this.#losses(),
      ...this.#repeats(),
      ...this.#outOfOrder(),
      ...this.#charges(),
      ...this.#replies(),
    ];
  }

  /** Everything that was handed over, in that order. */
  passages(): readonly Passage[] {
    const shownMs = new Map<string, number>();
    for (const showing of this.#shown) {
      const key = this.#entryOf(showing)?.key ?? '';
      if (!shownMs.has(key)) shownMs.set(key, showing.atMs);
    }
    return [...this.#submitted.values()].map(({ key, contact, submittedMs, answeredMs }) => ({
      key,
      contact,
      submittedMs,
      answeredMs: Number.isFinite(answeredMs) ? answeredMs : undefined,
      shownMs: shownMs.get(key),
    }));
  }

  *#losses(): Iterable<string> {
    const shown = new Set(this.#shown.map(({ messageId }) => messageId));
    for (const [key, { contact }] of this.#submitted) {
      const messageId = this.#accepted.get(key);
      if (messageId === undefined) {
        if (!this.#refused.has(key)) yield `NO-LOSS: ${key} was never answered`;
      } else if (!this.#hasEnded(messageId)) {
        yield `NO-LOSS: ${messageId} to ${contact} was accepted and is ${this.#told.get(messageId)?.states.at(-1) ?? 'nowhere'}`;
      } else if (this.#isDelivered(messageId) && !shown.has(messageId)) {
        yield `NO-LOSS: ${messageId} to ${contact} is delivered and nobody was shown it`;
      }
    }
  }

  *#repeats(): Iterable<string> {
    const seen = new Set<string>();
    for (const showing of this.#shown) {
      const { device, messageId, contact, number, key } = showing;
      const entry = this.#entryOf(showing);
      if (entry === undefined || this.#refused.get(entry.key) === true)
        yield `ONCE: ${messageId} was shown and never accepted`;
      else if (entry.contact !== contact || entry.number !== number)
        yield `TENANT: ${messageId} was shown to another person`;
      if (seen.has(`${device} ${messageId}`)) yield `ONCE: ${messageId} was shown twice on ${device}`;
      else if (key !== undefined && seen.has(`${device} key ${key}`))
        yield `ONCE: ${key} was shown as two messages on ${device}`;
      seen.add(`${device} ${messageId}`).add(`${device} key ${key}`);
    }
  }

  /** On each device, and for the person by the first device that shows a message. */
  *#outOfOrder(): Iterable<string> {
    const lanes = new Map<string, Entry[]>();
    const first = new Set<string>();
    for (const showing of this.#shown) {
      const { contact, device, number, messageId } = showing;
      const entry = this.#entryOf(showing);
      if (entry === undefined) continue;
      const isFirst = !first.has(messageId);
      first.add(messageId);
      for (const lane of [`device ${device} ${number}`, ...(isFirst ? [`person ${contact} ${number}`] : [])]) {
        const before = lanes.get(lane) ?? [];
        if (before.some((other) => isBefore(entry, other))) yield `ORDER: ${messageId} was shown late (${lane})`;
        before.push(entry);
        lanes.set(lane, before);
      }
    }
  }

  *#charges(): Iterable<string> {
    const booked = new Set<string>();
    for (const messageId of this.#booked) {
      if (booked.has(messageId)) yield `ONCE: ${messageId} was charged twice`;
      if (!this.#isDelivered(messageId)) yield `ONCE: ${messageId} was charged and not delivered`;
      booked.add(messageId);
    }
    for (const messageId of this.#accepted.values()) {
      if (this.#isDelivered(messageId) && !booked.has(messageId))
        yield `ONCE: ${messageId} was delivered and not charged`;
    }
  }

  *#replies(): Iterable<string> {
    const heard = new Set<string>();
    for (const text of this.#heard) {
      if (heard.has(text)) yield `ONCE: the reply ${text} was received twice`;
      heard.add(text);
    }
    for (const text of this.#replied)
      if (!heard.has(text)) yield `NO-LOSS: the reply ${text} was confirmed and not received`;
  }

  #entryOf({ messageId, key }: Showing): Entry | undefined {
    return this.#submitted.get(key ?? this.#keys.get(messageId) ?? '');
  }

  #hasEnded(messageId: string): boolean {
    const last = this.#told.get(messageId)?.states.at(-1);
    return last !== undefined && last !== 'accepted' && last !== 'sent';
  }

  #isDelivered(messageId: string): boolean {
    return this.#told.get(messageId)?.states.includes('delivered') ?? false;
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  if (one.stream === other.stream && one.place < other.place) return true;
  return one.answeredMs < other.submittedMs;
}
