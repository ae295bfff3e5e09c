/** Numbers by place, in typed arrays that grow: eight bytes each, however many there are. */

const firstSize = 1_024;

export class Column {
  readonly #absent: number;
  #values: Float64Array;
  #length = 0;

  /** @param absent what a place has that was never set */
  constructor(absent = 0) {
    this.#absent = absent;
    this.#values = new Float64Array(firstSize).fill(absent);
  }

  /** One more than the highest place that was set. */
  get length(): number {
    return this.#length;
  }

  /** What its array holds in memory, with the room to grow. */
  get byteLength(): number {
    return this.#values.byteLength;
  }

  get(place: number): number {
    return this.#values[place] ?? this.#absent;
  }

  set(place: number, value: number): void {
    if (place >= this.#values.length) this.#grow(place + 1);
    this.#values[place] = value;
    if (place >= this.#length) this.#length = place + 1;
  }

  push(value: number): void {
    this.set(this.#length, value);
  }

  /** A copy of what was set. */
  toArray(): Float64Array {
    return this.#values.slice(0, this.#length);
  }

  #grow(least: number): void {
    const larger = new Float64Array(Math.max(least, 2 * this.#values.length));
    larger.set(this.#values);
    larger.fill(this.#absent, this.#values.length);
    this.#values = larger;
  }
}
