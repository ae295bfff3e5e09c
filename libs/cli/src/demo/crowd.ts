/**
 * The simulated people: each number a handset with keys of its own, two numbers a second device.
 * What a person does is fixed by their place in the crowd, so that runs are alike.
 */
import { toChappeError } from '@chappe/errors/chappe-error';
import { Handset } from '@chappe/handset/handset';
import { memoryState, type HandsetState } from '@chappe/handset/handset-state';
import { registerHandset, requestCode } from '@chappe/handset/register';
import type { ShownMessage } from '@chappe/handset/shown-message';
import type { Channel } from '@chappe/rpc/client';
import { findCode } from '../phone/registration-code.ts';
import type { Changes } from './changes.ts';
import type { Tally } from './tally.ts';

/** What a person does with messages. Blocking and stopping wait for `protest`. */
export type Temper = 'reads' | 'leaves unread' | 'replies' | 'blocks' | 'stops';

export interface CrowdOptions {
  readonly channel: Channel;
  readonly dataFolder: string;
  readonly numbers: readonly string[];
  readonly tally: Tally;
  readonly changes: Changes;
  readonly signal: AbortSignal;
}

/** One-time keys a handset uploads: the demo's businesses start one session each, and the rest would only cost time. */
const preKeyCount = 10;
const linkedPeople = 2;
/** Registrations at a time: each waits for the log once. */
const registrationsAtATime = 8;

const stopText = 'STOP';

export class Crowd implements AsyncDisposable {
  readonly #options: CrowdOptions;
  readonly #handsets: Handset[] = [];
  readonly #acts = new Set<Promise<void>>();
  readonly #answered = new Set<string>();
  readonly #latest = new Map<string, { handset: Handset; number: string; messageId: string }>();
  readonly #pendingReplies = new Map<string, string>();
  readonly #tempers: ReadonlyMap<string, Temper>;
  #connected = 0;
  /** Faults of handsets, which no event will tell. */
  readonly problems: string[] = [];

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#tempers = new Map(options.numbers.map((number, place) => [number, temperOf(place)]));
  }

  get deviceCount(): number {
    return this.#handsets.length;
  }

  /** The numbers of the people with that temper. */
  with(temper: Temper): readonly string[] {
    return [...this.#tempers].filter(([, its]) => its === temper).map(([number]) => number);
  }

  /** Registers everybody and connects them. */
  async gather(): Promise<void> {
    const { numbers, changes, signal } = this.#options;
    const queue = numbers.entries();
    const register = async (): Promise<void> => {
      for (const [place, number] of queue) {
        if (signal.aborted) return;
        const first = await this.#addPhone(number);
        if (place < linkedPeople) await this.#addLinked(number, await first.createLinkCode());
      }
    };
    await Promise.all(Array.from({ length: registrationsAtATime }, register));
    const isGathered = (): boolean => this.#connected >= this.#handsets.length;
    if (!(await changes.until(isGathered, 15_000, signal)) && !signal.aborted) {
      this.problems.push(`only ${this.#connected} of ${this.#handsets.length} handsets could connect`);
    }
  }

  /**
   * Those who block, and those who write STOP, do it now, to the business that wrote last.
   *
   * @returns whom they turned away
   */
  async protest(temper: 'blocks' | 'stops'): Promise<readonly { readonly contact: string; readonly number: string }[]> {
    const turnedAway = [];
    for (const contact of this.with(temper)) {
      const latest = this.#latest.get(contact);
      if (latest === undefined) continue;
      const { handset, number, messageId } = latest;
      if (temper === 'blocks') await handset.block(number, true);
      else await this.#reply(handset, number, messageId, stopText);
      turnedAway.push({ contact, number });
    }
    return turnedAway;
  }

  /** Resolves when nobody is in the middle of reading or writing. */
  async quiet(): Promise<void> {
    while (this.#acts.size > 0) await Promise.all(this.#acts);
  }

  /** Replies that the node has not confirmed yet. */
  get unconfirmedReplies(): number {
    return this.#pendingReplies.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handsets.map((handset) => handset[Symbol.asyncDispose]()));
  }

  async #addPhone(number: string): Promise<Handset> {
    const { channel, dataFolder } = this.#options;
    const state = memoryState();
    await requestCode(channel, number);
    const code = await findCode(dataFolder, number);
    await registerHandset({ channel, number, state, preKeyCount, proof: { code } });
    return this.#add(number, state, true);
  }

  async #addLinked(number: string, linkCode: string): Promise<void> {
    const state = memoryState();
    await registerHandset({ channel: this.#options.channel, number, state, preKeyCount, proof: { linkCode } });
    this.#add(number, state, false);
  }

  #add(number: string, state: HandsetState, isHeld: boolean): Handset {
    const { channel, changes, tally } = this.#options;
    const handset: Handset = new Handset({
      channel,
      state,
      listener: {
        onMessage: (message) => this.#onMessage(handset, number, isHeld, message),
        onConnected: () => {
          this.#connected += 1;
          changes.wake();
        },
        onConfirmed: (id) => {
          const text = this.#pendingReplies.get(id);
          if (text !== undefined) tally.repliesConfirmed.push(text);
          this.#pendingReplies.delete(id);
          changes.wake();
        },
        onRefused: (id, error) => {
          this.#pendingReplies.delete(id);
          this.problems.push(`a handset's reply or block was refused: ${error.entry.code} ${error.message}`);
        },
        onUndecryptable: ({ reason }) => this.problems.push(`a handset could not decrypt a message: ${reason}`),
      },
    });
    this.#handsets.push(handset);
    void handset.connect().catch((error: unknown) => this.problems.push(toChappeError(error).message));
    return handset;
  }

  #onMessage(handset: Handset, contact: string, isHeld: boolean, { messageId, from }: ShownMessage): void {
    const { tally, changes } = this.#options;
    const number = `+${from}`;
    const device = `${contact}/${handset.account.device}`;
    tally.noteShown({ contact, device, number, messageId, atMs: performance.now() });
    changes.wake();
    // The person holds one device at a time; the other one only shows.
    if (!isHeld) return;
    this.#latest.set(contact, { handset, number, messageId });
    this.#own(this.#react(handset, contact, number, messageId));
  }

  async #react(handset: Handset, contact: string, number: string, messageId: string): Promise<void> {
    const temper = this.#tempers.get(contact);
    if (temper === 'leaves unread') return;
    this.#options.tally.read.add(messageId);
    await handset.read([messageId]);
    if (temper !== 'replies' || this.#answered.has(contact)) return;
    this.#answered.add(contact);
    await this.#reply(handset, number, messageId, `Thank you! (${messageId.slice(-6)})`);
  }

  async #reply(handset: Handset, number: string, inReplyTo: string, text: string): Promise<void> {
    const id = await handset.reply(number, text, { inReplyTo });
    this.#pendingReplies.set(id, text);
  }

  #own(act: Promise<void>): void {
    const owned: Promise<void> = act
      .catch((error: unknown) => void this.problems.push(`a handset failed: ${toChappeError(error).message}`))
      .finally(() => this.#acts.delete(owned));
    this.#acts.add(owned);
  }
}

/** One of six leaves messages unread, one of four replies; from seven people on one blocks, from eight on one stops. */
function temperOf(place: number): Temper {
  if (place === 6) return 'blocks';
  if (place === 7) return 'stops';
  if (place % 6 === 5) return 'leaves unread';
  return place % 4 === 2 ? 'replies' : 'reads';
}
