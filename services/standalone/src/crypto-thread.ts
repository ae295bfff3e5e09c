/**
 * The crypto service in a thread of its own: it is the part of the work that needs a processor of
 * its own first, it shares nothing with the others but its socket, and its private keys lie in
 * another heap.
 */
import { Worker } from 'node:worker_threads';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { ErrorName } from '@chappe/errors/catalogue';
import type { Registry } from 'prom-client';

export interface CryptoThreadOptions {
  /** `unix:/path`. */
  readonly address: string;
  /** Its SQLite file. */
  readonly storePath: string;
  readonly keyEncryptionKeysPath: string;
  readonly logLevel: string;
}

export type MetricsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What the thread says. */
export type CryptoThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: ErrorName; readonly detail: string }
  | { readonly kind: 'metrics'; readonly metrics: MetricsJson };

/** What it is asked. */
export type CryptoThreadRequest = 'metrics' | 'stop';

export interface CryptoThread extends AsyncDisposable {
  readonly address: string;
  metrics(): Promise<MetricsJson>;
}

/** @throws ChappeError with what kept the service from starting */
export async function startCryptoThread(options: CryptoThreadOptions): Promise<CryptoThread> {
  const worker = new Worker(new URL('crypto-thread-main.ts', import.meta.url), { workerData: options });
  // Without crypto nothing can be sent: a fault there ends the process, as a fault here does.
  worker.on('error', (error) => {
    throw error;
  });
  const first = await next(worker, ({ kind }) => kind !== 'metrics');
  if (first.kind === 'failed') {
    await worker.terminate();
    throw new ChappeError(first.reason, first.detail);
  }
  const ask = (request: CryptoThreadRequest): void => worker.postMessage(request);
  return {
    address: options.address,
    metrics: async () => {
      const answer = next(worker, ({ kind }) => kind === 'metrics');
      ask('metrics');
      const message = await answer;
      return message.kind === 'metrics' ? message.metrics : [];
    },
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      ask('stop');
      await ended;
    },
  };
}

function next(worker: Worker, isWanted: (message: CryptoThreadMessage) => boolean): Promise<CryptoThreadMessage> {
  return new Promise((resolve) => {
    const hear = (message: CryptoThreadMessage): void => {
      if (!isWanted(message)) return;
      worker.off('message', hear);
      resolve(message);
    };
    worker.on('message', hear);
  });
}
