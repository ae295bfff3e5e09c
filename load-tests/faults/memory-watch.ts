/** The most memory that each process of Chappe had while a row went on, against what it had at the fault. */
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultCluster } from './fault-cluster.ts';

const lookMs = 500;

export interface Growth {
  /** That grew the most. */
  readonly process: string;
  readonly bytes: number;
}

export class MemoryWatch implements AsyncDisposable {
  readonly #cluster: FaultCluster;
  readonly #before: ReadonlyMap<string, number>;
  readonly #most = new Map<string, number>();
  readonly #ending = new AbortController();
  readonly #looking: Promise<void>;

  static async start(cluster: FaultCluster): Promise<MemoryWatch> {
    return new MemoryWatch(cluster, await cluster.residentBytes());
  }

  private constructor(cluster: FaultCluster, before: ReadonlyMap<string, number>) {
    this.#cluster = cluster;
    this.#before = before;
    this.#looking = this.#look();
  }

  /** Of the processes that were there from the start. */
  growth(): Growth {
    const grown = [...this.#before].map(([process, bytes]) => ({
      process,
      bytes: (this.#most.get(process) ?? bytes) - bytes,
    }));
    return grown.toSorted((a, b) => b.bytes - a.bytes)[0] ?? { process: 'none', bytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      for (const [process, bytes] of await this.#cluster.residentBytes())
        this.#most.set(process, Math.max(bytes, this.#most.get(process) ?? 0));
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
