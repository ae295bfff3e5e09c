/** What is kept of a run: its figures, and everything that one must know to compare them with others. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { Figure } from './figures.ts';
import type { Options } from './options.ts';
import type { WindowResult } from './run-window.ts';
import type { ScalingCurve } from './scaling.ts';
import type { Target } from './target.ts';

export interface RunReport {
  readonly at: string;
  readonly commit: string;
  readonly options: Options;
  readonly machine: { readonly cpus: number; readonly model: string; readonly memoryGiB: number };
  readonly versions: Readonly<Record<string, string>>;
  readonly shape: string;
  readonly durability: Readonly<Record<string, string>>;
  readonly startMs: number;
  readonly figures: readonly Figure[];
  readonly windows: readonly WindowResult[];
  /** CPU microseconds of the profiled process by part of its code. */
  readonly profile: Readonly<Record<string, number>> | undefined;
  readonly scaling: ScalingCurve | undefined;
}

/** Everything but the results. */
export function describeRun(
  options: Options,
  { shape, durability, startMs, versions }: Target,
): Omit<RunReport, 'figures' | 'windows' | 'profile' | 'scaling'> {
  return {
    at: new Date().toISOString(),
    commit: commit(),
    options,
    machine: { cpus: cpus().length, model: cpus()[0]?.model ?? '', memoryGiB: Math.round(totalmem() / 2 ** 30) },
    versions: { node: process.versions.node, ...versions },
    shape,
    durability,
    startMs,
  };
}

/** With a `+` if files differ from it. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty=+'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
