/**
 * Reads protobuf's wire format. Bytes are views of what is read, not copies: whoever keeps them longer than the
 * frame that they came in copies them.
 */
import { isUtf8 } from 'node:buffer';
import { groupDepthMax } from './limits.ts';
import { textAt } from './repeated-text.ts';

/** What was read is not the wire format of any message. */
export class WireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WireError';
  }
}

export class WireReader {
  readonly #bytes: Buffer;
  /** The place of the next byte. */
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Number and wire type of the field that follows. */
  tag(): number {
    const byte = this.#bytes[this.at] ?? ended();
    if (byte >= 8 && byte < 0x80) {
      this.at += 1;
      return byte;
    }
    const tag = Number(this.uint64());
    if (tag < 8 || tag > 0xffff_ffff) throw new WireError('a field has a number that is none');
    return tag;
  }

  /** The low 32 bits of a varint, as an unsigned integer. */
  uint32(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.at++] ?? ended();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = bytes[this.at++] ?? ended();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    byte = bytes[this.at++] ?? ended();
    value |= byte << 28;
    // What a negative int32 has beyond its 32 bits.
    for (let more = 5; byte >= 0x80; more += 1) {
      if (more === 10) throw new WireError('a varint has over ten bytes');
      byte = bytes[this.at++] ?? ended();
    }
    return value >>> 0;
  }

  uint64(): bigint {
    const start = this.at;
    let value = 0;
    let scale = 1;
    // Seven bytes are 49 bits, which a double holds.
    for (let index = 0; index < 7; index += 1) {
      const byte = this.#bytes[this.at++] ?? ended();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(value);
      scale *= 0x80;
    }
    this.at = start;
    let large = 0n;
    for (let index = 0n; index < 10n; index += 1n) {
      const byte = this.#bytes[this.at++] ?? ended();
      large |= BigInt(byte & 0x7f) << (7n * index);
      if (byte < 0x80) return BigInt.asUintN(64, large);
    }
    throw new WireError('a varint has over ten bytes');
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  bool(): boolean {
    return this.uint64() !== 0n;
  }

  double(): number {
    if (this.at + 8 > this.#bytes.length) ended();
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  /** Where what begins here with its length ends, which is not beyond `end`. */
  end(end: number): number {
    const length = this.uint32();
    if (length > end - this.at) ended();
    return this.at + length;
  }

  /** Nothing of a message may lie beyond its end. */
  mustEndAt(end: number): void {
    if (this.at !== end) ended();
  }

  text(end: number): string {
    const to = this.end(end);
    const text = textAt(this.#bytes, this.at, to);
    if (text.includes('\u{FFFD}') && !isUtf8(this.#bytes.subarray(this.at, to))) {
      throw new WireError('a text is not UTF-8');
    }
    this.at = to;
    return text;
  }

  bytes(end: number): Uint8Array {
    const to = this.end(end);
    // Not a Buffer: its methods of the same names do other things.
    const view = new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.at, to - this.at);
    this.at = to;
    return view;
  }

  /** Passes over a field that is not known. */
  skip(tag: number, end: number, depth = 0): void {
    switch (tag & 7) {
      case 0:
        this.uint64();
        break;
      case 1:
        this.at += 8;
        break;
      case 2:
        this.at = this.end(end);
        break;
      case 3:
        this.#skipGroup(tag >>> 3, end, depth);
        break;
      case 5:
        this.at += 4;
        break;
      default:
        throw new WireError(`a field has the wire type ${tag & 7}`);
    }
    if (this.at > end) ended();
  }

  #skipGroup(field: number, end: number, depth: number): void {
    if (depth === groupDepthMax) throw new WireError(`groups lie over ${groupDepthMax} deep in one another`);
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) !== 4) this.skip(tag, end, depth + 1);
      else if (tag >>> 3 === field) return;
      else throw new WireError('a group ends that did not begin');
    }
  }
}

function ended(): never {
  throw new WireError('a message ends within a field');
}
