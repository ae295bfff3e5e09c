/** The file into which the relay writes one-time codes. It is only appended to: each look reads on from the last. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export class CodesFile {
  readonly #path: string;
  readonly #codes = new Map<string, string>();
  #bytesRead = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws Error if there is none for the number */
  take(number: string): string {
    if (!this.#codes.has(number)) this.#readOn();
    const code = this.#codes.get(number);
    if (code === undefined) throw new Error('the code was not written down');
    this.#codes.delete(number);
    return code;
  }

  #readOn(): void {
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#bytesRead);
      const length = readSync(file, bytes, 0, bytes.length, this.#bytesRead);
      const whole = bytes.subarray(0, bytes.lastIndexOf('\n', length - 1) + 1);
      this.#bytesRead += whole.length;
      for (const line of whole.toString('utf8').split('\n')) {
        if (line === '') continue;
        const { number, code } = JSON.parse(line) as { number: string; code: string };
        this.#codes.set(number, code);
      }
    } finally {
      closeSync(file);
    }
  }
}
