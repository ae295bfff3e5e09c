/**
 * The floor: what cannot be left out, in tight batches and nothing else, on the servers of the system under test.
 *
 * A message is sealed and appended to a topic, read from it, encrypted with libsignal, committed with its session
 * and the ledger row of the one before, pushed over a socket, and decrypted with libsignal. No rule is decided, no
 * events, no receipts, no idempotency: what the whole system does beyond it is measured by the difference.
 * With `isNew` every message starts a session from a bundle, and its device knows none.
 */
import { availableParallelism } from 'node:os';
import { Child } from './child.ts';
import type { Scene } from './scenarios.ts';

/** What a line of the floor is asked: one sends, the other one is the people's devices. */
export type FloorRequest =
  /** Makes so many devices and listens. Resolves with `FloorPerson[]`. */
  | {
      readonly kind: 'beDevices';
      readonly people: number;
      readonly part: number;
      readonly socket: string;
      readonly isNew: boolean;
    }
  /** Opens log and store, and starts a session with everybody unless each message does. */
  | {
      readonly kind: 'beSender';
      readonly people: readonly FloorPerson[];
      readonly part: number;
      readonly socket: string;
      /** `CHAPPE_LOG` and `CHAPPE_STORE`. */
      readonly environment: Readonly<Record<string, string>>;
      readonly isNew: boolean;
    }
  /** Resolves with how many messages were shown and charged within so many seconds. */
  | { readonly kind: 'run'; readonly seconds: number };

/** A device and the bundle that sessions with it start from, encoded. */
export interface FloorPerson {
  readonly number: string;
  readonly bundle: Uint8Array;
}

/** Of each line: as many as a range of the bench has. */
const people = 100;
/** The first messages compile the code. */
const warmSeconds = 5;

/** @returns messages a second */
export async function measureFloor({ stage, options, figure, print }: Scene, isNew = false): Promise<number> {
  await using resources = new AsyncDisposableStack();
  const lines = await Promise.all(
    Array.from({ length: availableParallelism() }, async (_, part) => {
      const { socket, environment } = stage.target.floor(part);
      const devices = resources.use(new Child<FloorRequest>('floor-process.ts', noNotes));
      const sender = resources.use(new Child<FloorRequest>('floor-process.ts', noNotes));
      const known = await devices.ask<FloorPerson[]>({ kind: 'beDevices', people, part, socket, isNew });
      await sender.ask({ kind: 'beSender', people: known, part, socket, environment, isNew });
      return sender;
    }),
  );
  const run = async (seconds: number): Promise<number> => {
    const counts = await Promise.all(lines.map((line) => line.ask<number>({ kind: 'run', seconds })));
    return counts.reduce((sum, count) => sum + count, 0) / seconds;
  };
  await run(warmSeconds);
  const perSecond = await run(options.seconds);
  const name = isNew ? 'floor of new contacts' : 'floor';
  print(`${name}: ${perSecond.toFixed(0)}/s on ${lines.length} lines of a sender and its devices`);
  figure({ name, unit: '/s', better: 'higher' }, perSecond);
  return perSecond;
}

/** Its processes tell nothing but their answers. */
function noNotes(): void {}
