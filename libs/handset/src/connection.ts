/** Keeps a handset connected: one attempt after the other, with pauses that grow while attempts fail. */
import { setTimeout as pause } from 'node:timers/promises';
import { toChappeError, type ChappeError } from '@chappe/errors/chappe-error';
import { reconnectAfterMs } from './backoff.ts';
import { connectionSettledMs } from './limits.ts';

export type HandsetEnd =
  /** The application closed it. */
  | 'closed'
  /** The server does not know the device any more: it must register anew. */
  | 'removed';

export interface Attempts {
  /** Runs one connection to its end; tells when the stream is open, and when the server has said something. */
  readonly attempt: (tells: { readonly onOpen: () => void; readonly onLive: () => void }) => Promise<void>;
  /** The fault that no reconnect can mend, once there is one. */
  readonly fatal: () => Error | undefined;
  readonly onDisconnected: (error: ChappeError | undefined) => void;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** @throws the first fatal error */
export async function keepConnected({ attempt, fatal, onDisconnected, random, signal }: Attempts): Promise<HandsetEnd> {
  let failures = 0;
  while (!signal.aborted) {
    let openedMs = Infinity;
    const error = await failureOf(
      attempt({
        onOpen: () => {
          openedMs = performance.now();
        },
        onLive: () => {
          failures = 0;
        },
      }),
    );
    const fault = fatal();
    if (fault !== undefined) throw fault;
    onDisconnected(error === undefined ? undefined : toChappeError(error));
    if (error !== undefined && toChappeError(error).reason === 'unauthenticated') return 'removed';
    // One that held was good, also if nothing came through it.
    if (performance.now() - openedMs > connectionSettledMs) failures = 0;
    failures += 1;
    await failureOf(pause(reconnectAfterMs(failures, random()), undefined, { signal }));
  }
  return 'closed';
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error ?? new Error('failed without a reason');
  }
}
