/**
 * The order of one stream after a refusal that passes (docs/protocols.md, 4.1). Pure.
 *
 * When a message is refused for a reason that passes, those behind it for the same contact must not
 * overtake its resubmission. They are refused until the client shows that it has heard: it submits
 * the refused message again (recognised by its idempotency key, or else by its content), or it is
 * so far ahead that the refusal must have been answered.
 */

export interface StreamPlace {
  /** Counts the messages of the stream. */
  readonly index: number;
  readonly contact: string;
  /** What its resubmission would have in common with it. */
  readonly identity: string;
}

export class RefusedContacts {
  readonly #window: number;
  /** By contact: its first message that was refused and not resubmitted. */
  readonly #heads = new Map<string, StreamPlace>();
  #pruneAt: number;

  /** @param window how many messages of the stream may be unanswered */
  constructor(window: number) {
    this.#window = window;
    this.#pruneAt = window;
  }

  /** Whether a message must be refused because it is behind one that was. */
  behind(place: StreamPlace): boolean {
    const head = this.#heads.get(place.contact);
    if (head === undefined || place.index <= head.index) return false;
    if (place.identity !== head.identity && place.index < head.index + this.#window) return true;
    this.#heads.delete(place.contact);
    return false;
  }

  /** Notes a refusal that passes. */
  refused(place: StreamPlace): void {
    const head = this.#heads.get(place.contact);
    if (head === undefined || place.index < head.index) this.#heads.set(place.contact, place);
    if (place.index >= this.#pruneAt) this.#prune(place.index);
  }

  /** Keeps at most the refusals of one window, besides those since the last prune. */
  #prune(index: number): void {
    for (const [contact, head] of this.#heads) {
      if (index >= head.index + this.#window) this.#heads.delete(contact);
    }
    this.#pruneAt = index + this.#window;
  }
}
