/** What a long run found, as a page to keep. */
import { cpus } from 'node:os';

export interface HuntFigures {
  readonly from: number;
  readonly seeds: number;
  readonly minutes: number;
  /** By seed: the first promise that it broke. */
  readonly failed: ReadonlyMap<number, string>;
  readonly messages: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** Faults that happened, by kind. */
  readonly faults: ReadonlyMap<string, number>;
}

export interface Search {
  readonly rule: string;
  /** Undefined: not in so many seeds. */
  readonly found: { readonly seed: number; readonly problem: string } | undefined;
}

/** `s2>store commit, answer lost:3` is of the kind `answer lost`, `kill s2 at 13.780` of `kill`. */
export function kindOf(fault: string): string {
  const known =
    /, ([a-z ]+):\d+$/.exec(fault) ?? /^[a-z]+\d+ (acknowledges twice)/.exec(fault) ?? /^([a-z]+)/.exec(fault);
  return known?.[1] ?? fault;
}

export function formatHunt({ seeds, minutes, failed, messages, faults, virtualMs, steps }: HuntFigures): string {
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0);
  return (
    `${seeds} seeds in ${(minutes * 60).toFixed(0)} s, ${(seeds / minutes).toFixed(0)} a minute: ${failed.size} broke a promise; ` +
    `${messages} messages, ${total} faults, ${(virtualMs / 3_600_000).toFixed(1)} h of virtual time in ${steps} steps`
  );
}

export function formatSearch({ rule, found }: Search, seeds: number): string {
  return `${rule}: ${found === undefined ? `NOT FOUND in ${seeds} seeds` : `found by seed ${found.seed}: ${found.problem}`}`;
}

export function reportOf(startedAt: Date, hunt: HuntFigures, searches: readonly Search[]): string {
  const kinds = [...hunt.faults].toSorted(([, a], [, b]) => b - a);
  const lines = [
    '# Simulation',
    '',
    `${startedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC, by \`make simulate SEEDS=${hunt.seeds} REPORT=1\` on ${cpus().length} processors. What is simulated, and what is real:`,
    '[load-tests/simulation](../simulation/README.md).',
    '',
    `Seeds ${hunt.from} to ${hunt.from + hunt.seeds - 1}: ${formatHunt(hunt)}.`,
    ...[...hunt.failed].map(([seed, problem]) => `\n**Seed ${seed}**: ${problem}`),
    '',
    '| fault, or change under way | times |',
    '|---|---|',
    ...kinds.map(([kind, count]) => `| ${kind} | ${count} |`),
    '',
    'Rules broken on purpose, each searched for from the first seed on:',
    '',
    '| rule | found by seed | as |',
    '|---|---|---|',
    ...searches.map(
      ({ rule, found }) => `| \`${rule}\` | ${found?.seed ?? '**not found**'} | ${found?.problem ?? ''} |`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
