/**
 * The contacts of the last commands of a range, and the bound that has half of them on each side: where a
 * split halves its load.
 */

/** Commands looked back on: with 256 of them the halves are apart by 6 % at most, two times in three. */
const sampleSize = 256;
/** Fewer say nothing of where the load is. */
const sampleMin = 32;

export class ContactSample {
  readonly #contacts: string[] = [];
  #next = 0;

  add(contact: string): void {
    this.#contacts[this.#next] = contact;
    this.#next = (this.#next + 1) % sampleSize;
  }

  /**
   * The shortest prefix of the middle contact that still has it, and all after it, on its upper side, if that leaves a
   * fourth of them below; else the contact itself. Absent: there are too few, or one contact has half of the commands.
   */
  median(): string | undefined {
    if (this.#contacts.length < sampleMin) return undefined;
    const sorted = this.#contacts.toSorted();
    const middle = sorted[Math.floor(sorted.length / 2)] ?? '';
    for (let length = 1; length <= middle.length; length += 1) {
      const bound = middle.slice(0, length);
      const below = sorted.findIndex((contact) => contact >= bound);
      if (below >= sorted.length / 4) return bound;
    }
    return undefined;
  }
}
