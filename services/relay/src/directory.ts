/**
 * The relay's copy of the directory of business numbers (`numbers/<digits>` in coordination).
 *
 * The watch only sets a flag; one loop reads the whole prefix. A number that the copy does not
 * have is looked up once more before it is called unknown: the copy may be a moment behind.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordination } from '@chappe/coordination/coordination';

export interface DirectoryEntry {
  /** The business's id. */
  readonly business: string;
  /** As people see it. */
  readonly name: string;
}

const prefix = 'numbers/';
const rereadMs = 1_000;

export class Directory implements AsyncDisposable {
  readonly #coordination: Coordination;
  readonly #ending = new AbortController();
  readonly #watch: Disposable;
  readonly #loop: Promise<void>;
  #entries: ReadonlyMap<string, DirectoryEntry> = new Map();
  #dirty = true;
  #wake: (() => void) | undefined;
  #problem: string | undefined = 'the directory of business numbers was not read yet';

  constructor(coordination: Coordination) {
    this.#coordination = coordination;
    this.#watch = coordination.watch(prefix, () => {
      this.#dirty = true;
      this.#wake?.();
    });
    this.#loop = this.#run();
  }

  /** Why the copy may be old. */
  problem(): string | undefined {
    return this.#problem;
  }

  find(number: string): DirectoryEntry | undefined {
    return this.#entries.get(number);
  }

  /** As `find`, and asks coordination for what is not in the copy. @throws CoordinationError */
  async lookUp(number: string): Promise<DirectoryEntry | undefined> {
    const known = this.#entries.get(number);
    if (known !== undefined || !/^\d{1,15}$/.test(number)) return known;
    const found = await this.#coordination.get(`${prefix}${number}`);
    return found === undefined ? undefined : parseEntry(found.value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#watch[Symbol.dispose]();
    this.#wake?.();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      if (!this.#dirty) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
        continue;
      }
      this.#dirty = false;
      try {
        const { entries } = await this.#coordination.list(prefix);
        this.#entries = new Map(entries.map(({ key, value }) => [key.slice(prefix.length), parseEntry(value)]));
        this.#problem = undefined;
      } catch (error) {
        this.#problem = `the directory of business numbers cannot be read: ${error instanceof Error ? error.message : 'unknown'}`;
        this.#dirty = true;
        await sleep(rereadMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

function parseEntry(json: string): DirectoryEntry {
  const { business, name } = JSON.parse(json) as Partial<DirectoryEntry>;
  if (typeof business !== 'string' || typeof name !== 'string')
    throw new Error('an entry of the directory has no business or name');
  return { business, name };
}
