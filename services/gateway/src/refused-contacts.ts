/**
 * The order of one stream after refusals that pass (docs/protocols.md, 4.1). Pure.
 *
 * When a message is refused for a reason that passes, those behind it for the same contact must not overtake its
 * resubmission. They are refused until the client shows that it has heard: it submits the refused message again
 * (recognised by its idempotency key, or else by its content), or it is so far ahead that the refusal must have been
 * answered. Every refused message keeps the place at which it came first: some are refused with their frame,
 * before those in front of them have had their turn.
 */

export interface StreamPlace {
  /** Counts the messages of the stream. */
  readonly index: number;
  readonly contact: string;
  /** What its resubmission would have in common with it. */
  readonly identity: string;
}

/** A message that was refused. */
interface Refused {
  /** Where it came first. */
  readonly firstIndex: number;
  /** Where it came last. */
  lastIndex: number;
  /** It came again and had its turn: whether it is refused again is not known. */
  isUnderWay: boolean;
}

export class RefusedContacts {
  readonly #window: number;
  /** By contact and identity. */
  readonly #refused = new Map<string, Map<string, Refused>>();
  #pruneAt: number;

  /** @param window how many messages of the stream may be unanswered */
  constructor(window: number) {
    this.#window = window;
    this.#pruneAt = window;
  }

  /** Whether a message whose turn it is must be refused because it is behind one that was. */
  behind({ index, contact, identity }: StreamPlace): boolean {
    const ofContact = this.#refused.get(contact);
    if (ofContact === undefined) return false;
    const own = ofContact.get(identity);
    const ownIndex = own?.firstIndex ?? index;
    for (const { firstIndex, lastIndex, isUnderWay } of ofContact.values()) {
      const isHeardOf = index >= lastIndex + this.#window;
      if (firstIndex < ownIndex && !isUnderWay && !isHeardOf) return true;
    }
    if (own !== undefined) Object.assign(own, { lastIndex: index, isUnderWay: true });
    return false;
  }

  /** Notes a refusal that passes. */
  refused({ index, contact, identity }: StreamPlace): void {
    const ofContact = this.#refused.get(contact) ?? new Map<string, Refused>();
    this.#refused.set(contact, ofContact);
    const firstIndex = ofContact.get(identity)?.firstIndex ?? index;
    ofContact.set(identity, { firstIndex, lastIndex: index, isUnderWay: false });
    if (index >= this.#pruneAt) this.#prune(index);
  }

  /** It was accepted, or refused for good: nobody waits for it. */
  settled({ contact, identity }: StreamPlace): void {
    const ofContact = this.#refused.get(contact);
    ofContact?.delete(identity);
    if (ofContact?.size === 0) this.#refused.delete(contact);
  }

  /**
   * Forgets what was not submitted again for three windows: one until its refusal was heard, one in which others
   * that came before that can hold it up, and one that may wait for its turn.
   */
  #prune(index: number): void {
    for (const [contact, ofContact] of this.#refused) {
      for (const [identity, { lastIndex, isUnderWay }] of ofContact)
        if (!isUnderWay && index >= lastIndex + 3 * this.#window) ofContact.delete(identity);
      if (ofContact.size === 0) this.#refused.delete(contact);
    }
    this.#pruneAt = index + this.#window;
  }
}
