/** What a message costs, from kept reports of load tests: CPU by part, bytes on connections, bytes that stay. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { RunReport } from '../load/run-report.ts';
import type { WindowResult } from '../load/run-window.ts';

/** Of one rate; a cost a message falls as the rate grows, since batches do. */
export interface CpuCost {
  readonly window: string;
  /** Messages a second of each shard in that window. */
  readonly perShard: number;
  /** Microseconds a message by part, all processes of it together. */
  readonly cpuUs: Readonly<Record<string, number>>;
}

export interface Measured {
  readonly machine: string;
  readonly at: string;
  readonly costs: readonly CpuCost[];
  /** Payload bytes a message, `sender > mariadb`. */
  readonly traffic: Readonly<Record<string, number>>;
  /** Bytes a message on disk by kind, of one copy. */
  readonly kept: Readonly<Record<string, number>>;
}

/** The bench has CPU at several rates, the steady run has the bytes. */
const files = { cpu: '../reports/bench-cluster.json', bytes: '../reports/steady-cluster.json' } as const;

export function readMeasured(): Measured {
  const [cpu, bytes] = [read(files.cpu), read(files.bytes)];
  const shards = Number(/(\d+) sender/.exec(cpu.shape)?.[1] ?? 1);
  const [window] = bytes.windows;
  if (window === undefined) throw new Error(`${files.bytes} has no window`);
  return {
    machine: `${cpu.machine.cpus} processors (${cpu.machine.model}), everything on it`,
    at: cpu.at.slice(0, 10),
    costs: cpu.windows.filter(isSteady).map((each) => costOf(each, shards)),
    traffic: window.traffic,
    kept: window.kept,
  };
}

function read(file: string): RunReport {
  return JSON.parse(readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8')) as RunReport;
}

/** A rate that was asked for and held, and nothing done to the system meanwhile. */
function isSteady({ plan, verdict, isDisturbed }: WindowResult): boolean {
  return plan.pace.kind === 'steadily' && verdict.isSustained && !isDisturbed;
}

function costOf({ name, perSecond, processes }: WindowResult, shards: number): CpuCost {
  const cpuUs: Record<string, number> = {};
  for (const { part, cpuUs: each } of processes) cpuUs[part] = (cpuUs[part] ?? 0) + each;
  return { window: name, perShard: perSecond / shards, cpuUs };
}
