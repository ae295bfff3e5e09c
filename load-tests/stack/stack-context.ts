/**
 * What every server of the local stack is started with: where its data lies and how many zones there are.
 *
 * Everything lies below `.data/` beside this file, which git ignores; the two shapes (one zone, two
 * zones) have folders of their own, so that going from one to the other loses nothing.
 */
import { fileURLToPath } from 'node:url';
import { onLoopback } from './places.ts';
import type { Places } from './places.ts';

export interface StackContext {
  /** Installed software, shared by both shapes. */
  readonly softwareFolder: string;
  /** Data, logs and process records of this shape. */
  readonly dataFolder: string;
  /** 1: one server of each kind. 2: replicas in both zones and witnesses. */
  readonly zones: 1 | 2;
  readonly places: Places;
  readonly report: (line: string) => void;
}

/** What clients need to find the servers, e.g. `CHAPPE_KAFKA_BROKERS`. */
export type StackEnvironment = Readonly<Record<string, string>>;

const stackFolder = fileURLToPath(new URL('.data', import.meta.url));

export function stackContext(zones: 1 | 2, report: (line: string) => void): StackContext {
  return {
    softwareFolder: `${stackFolder}/software`,
    dataFolder: `${stackFolder}/zones-${zones}`,
    zones,
    places: onLoopback,
    report,
  };
}

/** One kind of server of the stack. */
export interface StackPart {
  readonly name: string;
  /** Brings what is needed on this machine; nothing happens if it is there. */
  readonly install: (context: StackContext) => Promise<void>;
  /** Starts what does not run yet; resolves when it serves. */
  readonly start: (context: StackContext) => Promise<void>;
  readonly environment: (context: StackContext) => StackEnvironment;
}
