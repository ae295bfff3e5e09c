/**
 * One watch stream over all keys of a cluster, kept up through outages.
 *
 * It asks for everything since the last revision that it saw, so an outage hides no change; when it
 * is up again every watcher is called all the same, because an etcd that was restored from a backup
 * counts from an earlier revision. A member can fall silent without closing the stream (paused, cut
 * off): the stream asks it every 2 s whether it is there.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { IDuplexStream, IWatchRequest, IWatchResponse } from 'etcd3';
import type { EtcdEndpoints } from './etcd-endpoints.ts';
import { etcdCallMs, etcdRetryMs, etcdWatchLooks, etcdWatchRetryMaxMs, etcdWatchSilenceMs } from './limits.ts';

export interface EtcdWatchOptions {
  readonly endpoints: EtcdEndpoints;
  /** All keys from this one on, up to `end`. */
  readonly start: Buffer;
  readonly end: Buffer;
  /** Keys that changed, or that any may have. */
  readonly onChange: (keys: readonly Buffer[] | 'any') => void;
}

type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;

interface Session {
  /** Resolves once etcd watches. Rejects if it does not. */
  readonly up: Promise<void>;
  /** Resolves when the stream is over, for whatever reason. */
  readonly over: Promise<void>;
}

export class EtcdWatch implements AsyncDisposable {
  readonly #options: EtcdWatchOptions;
  readonly #stopping = new AbortController();
  /** The next revision that has not been seen; undefined: from now on. */
  #nextRevision: number | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
  }

  /** Resolves once etcd watches. @throws CoordinationError `unavailable` */
  async start(): Promise<void> {
    const session = this.#open();
    await session.up;
    this.#loop = this.#keepUp(session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #keepUp(first: Session): Promise<void> {
    const { signal } = this.#stopping;
    await first.over;
    let waitMs = etcdRetryMs;
    while (!signal.aborted) {
      await sleep(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const session = this.#open();
      const isUp = await session.up.then(
        () => true,
        () => false,
      );
      if (isUp) this.#options.onChange('any');
      waitMs = isUp ? etcdRetryMs : Math.min(waitMs * 2, etcdWatchRetryMaxMs);
      await session.over;
    }
  }

  #open(): Session {
    const up = Promise.withResolvers<void>();
    // Whoever does not wait for it learns the same from `over`.
    up.promise.catch(() => undefined);
    return { up: up.promise, over: this.#watch(up) };
  }

  async #watch(up: PromiseWithResolvers<void>): Promise<void> {
    const { endpoints, start, end, onChange } = this.#options;
    const { signal } = this.#stopping;
    const over = Promise.withResolvers<void>();
    let member: ReturnType<EtcdEndpoints['current']> | undefined;
    let heartbeat: NodeJS.Timeout | undefined;
    let stream: WatchStream | undefined;
    try {
      member = endpoints.current();
      const opened = await openStream(member.client.watchClient.watch());
      stream = opened;
      let heard = false;
      let looks = 0;
      opened.on('data', (response: IWatchResponse) => {
        heard = true;
        if (response.canceled) return over.reject(this.#canceled(response));
        if (response.created) {
          if (this.#isOtherHistory(response)) return over.reject(new Error('etcd counts from an earlier revision'));
          up.resolve();
        }
        if (response.events.length === 0) return;
        this.#nextRevision = Number(response.header.revision) + 1;
        onChange(response.events.map(({ kv }) => kv.key));
      });
      opened.on('error', over.reject);
      opened.on('end', () => over.reject(new Error('the watch ended')));
      signal.addEventListener('abort', () => over.resolve(), { once: true });
      heartbeat = setInterval(() => {
        if (!heard) return over.reject(new Error(`the watch heard nothing for ${etcdWatchSilenceMs} ms`));
        heard = false;
        opened.write({ progress_request: {} });
        // A member that lost its quorum answers that, and knows nothing new: whoever watches reads again, elsewhere.
        looks += 1;
        if (looks % etcdWatchLooks === 0) onChange('any');
      }, etcdWatchSilenceMs);
      opened.write(watchRequest(start, end, this.#nextRevision));
      await over.promise;
    } catch (error) {
      up.reject(member === undefined ? error : endpoints.fail(member, error));
    } finally {
      clearInterval(heartbeat);
      stream?.cancel();
    }
  }

  /** Restored from a backup, it would keep silent until it comes to the revision that was asked for. */
  #isOtherHistory({ header }: IWatchResponse): boolean {
    const next = Number(header.revision) + 1;
    const isEarlier = this.#nextRevision !== undefined && next < this.#nextRevision;
    if (this.#nextRevision === undefined || isEarlier) this.#nextRevision = next;
    return isEarlier;
  }

  #canceled(response: IWatchResponse): Error {
    // What was missed is compacted away; every watcher is called when the next stream is up.
    if (Number(response.compact_revision) > 0) this.#nextRevision = undefined;
    return new Error(`etcd ended the watch: ${response.cancel_reason}`);
  }
}

function watchRequest(start: Buffer, end: Buffer, nextRevision: number | undefined): IWatchRequest {
  return {
    create_request: { key: start, range_end: end, ...(nextRevision !== undefined && { start_revision: nextRevision }) },
  };
}

/** A sign-in that is not answered would keep the stream from ever being opened. */
async function openStream(stream: Promise<WatchStream>): Promise<WatchStream> {
  const late = sleep(etcdCallMs, undefined, { ref: false });
  const first = await Promise.race([stream, late]);
  if (first !== undefined) return first;
  stream.then(
    (unwanted) => unwanted.cancel(),
    () => undefined,
  );
  throw new Error(`no answer within ${etcdCallMs} ms`);
}
