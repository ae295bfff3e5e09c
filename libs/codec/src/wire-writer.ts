/**
 * Writes protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) from its end to its
 * beginning: so the length of a message is known when its prefix is written, and nothing is copied
 * or measured twice.
 *
 * One buffer serves all messages of the process, as encoding never waits. It grows to what the largest message
 * needed and falls back to its usual size afterwards.
 */
import { scratchBytes, scratchKeptBytesMax } from './limits.ts';

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(scratchBytes);
  /** What is written lies from here to the end. */
  #from = scratchBytes;

  /** Written so far, in bytes: the difference of two of them is the length of what lies between. */
  get written(): number {
    return this.#bytes.length - this.#from;
  }

  /** Ends a message: a copy of what was written, and an empty writer. */
  finish(): Buffer {
    const message = Buffer.from(this.#bytes.subarray(this.#from));
    this.reset();
    return message;
  }

  /** Throws away what was written, after an error. */
  reset(): void {
    if (this.#bytes.length > scratchKeptBytesMax) this.#bytes = Buffer.allocUnsafeSlow(scratchBytes);
    this.#from = this.#bytes.length;
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): void {
    if (value < 0x80) {
      this.#room(1);
      this.#bytes[--this.#from] = value;
      return;
    }
    let length = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
    this.#room(length);
    let place = (this.#from -= length);
    let rest = value;
    for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) this.#bytes[place++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) this.#bytes[place++] = (rest & 0x7f) | 0x80;
    this.#bytes[place] = rest;
  }

  /** A 64-bit integer in two's complement. */
  varint64(value: bigint): void {
    if (value >= 0n && value <= 0x1f_ffff_ffff_ffffn) {
      this.varint(Number(value));
      return;
    }
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.#room(bytes.length);
    this.#from -= bytes.length;
    this.#bytes.set(bytes, this.#from);
  }

  double(value: number): void {
    this.#room(8);
    this.#from -= 8;
    this.#bytes.writeDoubleLE(value, this.#from);
  }

  /** Text with its length before it. */
  text(value: string): void {
    const { length } = value;
    // Most texts are short and ASCII: then no call into native code is made.
    if (length <= shortText && this.#ascii(value, length)) return;
    const size = Buffer.byteLength(value);
    this.#room(size);
    this.#from -= size;
    this.#bytes.write(value, this.#from, size);
    this.varint(size);
  }

  #ascii(value: string, length: number): boolean {
    this.#room(length + 1);
    let place = this.#from;
    for (let index = length - 1; index >= 0; index -= 1) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) return false;
      this.#bytes[--place] = code;
    }
    this.#bytes[--place] = length;
    this.#from = place;
    return true;
  }

  /** Bytes with their length before them. */
  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#from -= value.length;
    this.#bytes.set(value, this.#from);
    this.varint(value.length);
  }

  #room(bytes: number): void {
    if (this.#from >= bytes) return;
    const written = this.written;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, written + bytes));
    this.#bytes.copy(larger, larger.length - written, this.#from);
    this.#bytes = larger;
    this.#from = larger.length - written;
  }
}

/** Its length fits in one byte. */
const shortText = 32;
