/** What a step of a run is, and what is kept of it. */
import type { AdminClient } from '@chappe/client/admin-client';
import type { People } from '../faults/people.ts';
import type { CodesProvider } from './codes-provider.ts';
import type { LoadFigures } from './under-load.ts';

export interface RunContext {
  readonly perSecond: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly codes: CodesProvider;
  /** Once Chappe is installed, and its people are there. @throws Error before */
  readonly installed: () => { readonly admin: AdminClient; readonly people: People };
  /** After an install or upgrade. */
  readonly connect: () => Promise<void>;
  readonly disconnect: () => Promise<void>;
}

/** What a step found. */
export interface Finding {
  /** In the order in which they are to be read: name to value, with its unit. */
  readonly figures: Readonly<Record<string, string>>;
  readonly load?: LoadFigures;
  /** What is not as it must be; empty: the step is green. */
  readonly complaints: readonly string[];
}

export interface Step {
  readonly name: string;
  /** For the report. */
  readonly what: string;
  readonly run: (context: RunContext) => Promise<Finding>;
}

export interface StepResult extends Finding {
  readonly name: string;
  readonly what: string;
  readonly tookMs: number;
}

export function secondsText(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
