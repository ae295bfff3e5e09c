/** First in, first out, in constant time; with a look at any place, and a copy. */

/** Places at the front that are left empty before they are given back, at the least. */
const emptyMin = 64;

export class Queue<T> {
  #items: T[];
  #from = 0;

  constructor(items: T[] = []) {
    this.#items = items;
  }

  get size(): number {
    return this.#items.length - this.#from;
  }

  get first(): T | undefined {
    return this.#items[this.#from];
  }

  /** @param place from 0, the first */
  at(place: number): T | undefined {
    return place < 0 ? undefined : this.#items[this.#from + place];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#from];
    this.#from += 1;
    // Half of what is kept may be empty places: each item is moved once more at most.
    if (this.#from >= emptyMin && this.#from * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#from);
      this.#from = 0;
    }
    return item;
  }

  toArray(): T[] {
    return this.#items.slice(this.#from);
  }

  copy(): Queue<T> {
    return new Queue(this.toArray());
  }
}
