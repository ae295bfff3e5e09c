/**
 * The contacts that a worker has in memory, bounded by an estimate of their bytes. The least
 * recently used go first; those of the batch in hand are never looked up again from here.
 */
import type { ContactState } from './state.ts';

/** A contact without sessions, with its maps. */
const baseBytes = 1_200;
const perWaitingBytes = 900;
const perPendingBytes = 150;

export class ContactCache {
  readonly #bytesMax: () => number;
  readonly #entries = new Map<string, { readonly state: ContactState; bytes: number }>();
  #bytes = 0;

  /** @param bytesMax may change: what is over it goes with the next one that comes */
  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(number: string): ContactState | undefined {
    const entry = this.#entries.get(number);
    if (entry === undefined) return undefined;
    this.#entries.delete(number);
    this.#entries.set(number, entry);
    return entry.state;
  }

  /** Takes in a state, or measures it anew after it changed. */
  set(state: ContactState): void {
    this.delete(state.number);
    const bytes = estimateBytes(state);
    this.#entries.set(state.number, { state, bytes });
    this.#bytes += bytes;
    const bytesMax = this.#bytesMax();
    for (const [number] of this.#entries) {
      if (this.#bytes <= bytesMax || this.#entries.size === 1) return;
      this.delete(number);
    }
  }

  delete(number: string): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) return;
    this.#entries.delete(number);
    this.#bytes -= entry.bytes;
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

function estimateBytes(state: ContactState): number {
  let bytes = baseBytes + state.waiting.size * perWaitingBytes;
  for (const session of state.sessions.values()) bytes += session.sealed.length + 300;
  for (const mailbox of state.mailboxes.values()) bytes += mailbox.pending.length * perPendingBytes;
  return bytes;
}
