/** The lines of a stream of bytes, numbered from 1, each no longer than a row may be. */
import type { Readable } from 'node:stream';
import { rowBytesMax } from './limits.ts';

export interface FileLine {
  readonly no: number;
  /** Absent: longer than allowed, or no UTF-8; `problem` says which. */
  readonly text?: string;
  readonly problem?: string;
  /** Bytes of the stream read so far, this line included. */
  readonly bytesRead: number;
}

const lineFeed = 0x0a;

export async function* readLines(input: Readable): AsyncGenerator<FileLine> {
  let no = 0;
  let bytesRead = 0;
  let pieces: Buffer[] = [];
  let pending = 0;
  for await (const value of input) {
    const chunk = value as Buffer;
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      pieces.push(chunk.subarray(start, end));
      bytesRead += pending + end - start + 1;
      yield toLine((no += 1), pending + end - start, pieces, bytesRead);
      pieces = [];
      pending = 0;
      start = end + 1;
    }
    pending += chunk.length - start;
    // Beyond the limit the bytes are counted and no longer kept.
    if (pending <= rowBytesMax) pieces.push(chunk.subarray(start));
  }
  if (pending > 0) yield toLine(no + 1, pending, pieces, bytesRead + pending);
}

function toLine(no: number, length: number, pieces: readonly Buffer[], bytesRead: number): FileLine {
  if (length > rowBytesMax) return { no, problem: `longer than ${rowBytesMax} bytes`, bytesRead };
  try {
    const text = strictUtf8.decode(Buffer.concat(pieces));
    return { no, text: text.endsWith('\r') ? text.slice(0, -1) : text, bytesRead };
  } catch {
    return { no, problem: 'it is not UTF-8', bytesRead };
  }
}

/** Removes a byte order mark, which only the first line can have. */
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });
