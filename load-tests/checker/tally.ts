/**
 * The record of a run that names things by texts: keys, message ids, contacts, devices. What was noted is
 * held against each other by the record in numbers (run-record.ts); here is what only texts can show: ids that two keys
 * have, events that come twice, replies, message keys.
 */
import { createHash } from 'node:crypto';
import { RunRecord, type State } from './run-record.ts';

export type { State } from './run-record.ts';

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

export class Tally {
  /** By key, in the order in which they were handed over. */
  readonly #submitted = new Map<string, Entry>();
  /** Message id by key, and back. */
  readonly #accepted = new Map<string, string>();
  readonly #keys = new Map<string, string>();
  /** Whether the refusal says that the message will never be; else nobody knows what became of it. */
  readonly #refused = new Map<string, boolean>();
  readonly #shown: Showing[] = [];
  readonly #told: { readonly messageId: string; readonly state: State }[] = [];
  readonly #eventIds = new Set<string>();
  readonly #booked: string[] = [];
  /** A confirmation may be told twice. */
  readonly #replied = new Set<string>();
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
    this.#submitted.set(submitted.key, { ...submitted, submittedMs: atMs, answeredMs: Infinity });
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
    this.#takeIsNew(eventId);
    this.#told.push({ messageId, state });
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
    this.#replied.add(text);
  }

  noteHeard(eventId: string, text: string): void {
    if (this.#takeIsNew(eventId)) this.#heard.push(text);
  }

  #takeIsNew(eventId: string): boolean {
    const isNew = !this.#eventIds.has(eventId);
    if (!isNew) this.#problems.push(`ONCE: event ${eventId} came twice`);
    this.#eventIds.add(eventId);
    return isNew;
  }

  /** Whether everything that was accepted has ended, is booked, and every reply has come. */
  isSettled(): boolean {
    return this.#record().isSettled() && this.#heard.length >= this.#replied.size;
  }

  /** Empty when everything agrees. */
  problems(): readonly string[] {
    return [...this.#problems, ...this.#record().problems(), ...this.#keysShownTwice(), ...this.#replies()];
  }

  /** Everything that was handed over, in that order. */
  passages(): readonly Passage[] {
    const record = this.#record();
    return [...this.#submitted.values()].map(({ key, contact, submittedMs, answeredMs }, place) => {
      const shownMs = record.firstShownMs(place);
      return {
        key,
        contact,
        submittedMs,
        answeredMs: Number.isFinite(answeredMs) ? answeredMs : undefined,
        shownMs: Number.isNaN(shownMs) ? undefined : shownMs,
      };
    });
  }

  /**
   * All notes in numbers. Made anew each time: an id may be shown before its key is known, as the answer
   * comes by another way than the message.
   */
  #record(): RunRecord {
    const places = new Numbering();
    const [lanes, devices, streams] = [new Numbering(), new Numbering(), new Numbering()];
    // Keys and ids are texts of one kind here; what has no key is one of its own, behind all that have.
    for (const key of this.#submitted.keys()) places.of(key);
    const placeOf = (messageId: string, key = this.#keys.get(messageId)): number =>
      places.of(key !== undefined && this.#submitted.has(key) ? key : `id ${messageId}`);
    const laneOf = ({ contact, number }: { readonly contact: string; readonly number: string }): number =>
      lanes.of(`${contact} ${number}`);
    const record = new RunRecord({
      names: {
        message: (place) => this.#nameOf(places.nameOf(place)),
        lane: (lane) => lanes.nameOf(lane).split(' ')[0] ?? '',
        device: (device) => devices.nameOf(device),
      },
    });
    for (const entry of this.#submitted.values()) {
      const { key, stream = '', submittedMs: atMs, answeredMs } = entry;
      const message = places.of(key);
      record.noteSubmitted({ message, lane: laneOf(entry), stream: streams.of(stream), atMs });
      const isFinal = this.#refused.get(key);
      if (this.#accepted.has(key)) record.noteAccepted(message, answeredMs);
      if (isFinal !== undefined) record.noteRefused(message, isFinal);
    }
    for (const showing of this.#shown) {
      const { messageId, key, device, atMs } = showing;
      record.noteShown({ message: placeOf(messageId, key), device: devices.of(device), lane: laneOf(showing), atMs });
    }
    for (const { messageId, state } of this.#told) record.noteState(placeOf(messageId), state);
    for (const messageId of this.#booked) record.noteBooked(placeOf(messageId));
    return record;
  }

  #nameOf(place: string): string {
    return place.startsWith('id ') ? place.slice('id '.length) : (this.#accepted.get(place) ?? place);
  }

  /** Two ids of one key on one device: by what the texts say, whatever the answers said. */
  *#keysShownTwice(): Iterable<string> {
    const ids = new Map<string, string>();
    for (const { device, key, messageId } of this.#shown) {
      if (key === undefined) continue;
      const known = ids.get(`${device} ${key}`);
      if (known !== undefined && known !== messageId) yield `ONCE: ${key} was shown as two messages on ${device}`;
      ids.set(`${device} ${key}`, messageId);
    }
  }

  *#replies(): Iterable<string> {
    const heard = new Set<string>();
    for (const text of this.#heard) {
      if (heard.has(text)) yield `ONCE: the reply ${text} was received as two events`;
      heard.add(text);
    }
    for (const text of this.#replied)
      if (!heard.has(text)) yield `NO-LOSS: the reply ${text} was confirmed and not received`;
  }
}

/** Texts by number: 0, 1, 2, ... in the order in which they are first asked for. */
class Numbering {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];

  of(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#names.length);
    this.#names.push(name);
    return this.#names.length - 1;
  }

  nameOf(number: number): string {
    return this.#names[number] ?? '';
  }
}
