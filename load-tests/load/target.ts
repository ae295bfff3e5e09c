/** The system under test, whichever form it has. */
import type { Usage } from './process-usage.ts';

export interface Target extends AsyncDisposable {
  readonly mode: Mode;
  /** How many processes of what, in words. */
  readonly shape: string;
  /** `host:port`, several with commas between. */
  readonly gateway: string;
  readonly devices: string;
  readonly adminKey: string;
  /** Where one-time codes are written. */
  readonly codesFile: string;
  /** What promises rest on: fsync, replication. */
  readonly durability: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  /** From the start of the first process until everything was ready. */
  readonly startMs: number;
  /** Those that run now: the services, and the servers that they use. */
  processes(): Promise<readonly TargetProcess[]>;
  /** What the servers keep on disk, in bytes by kind; of the standalone node nothing is told. */
  kept(): Promise<Readonly<Record<string, number>>>;
  /** For a line of the floor: log and store on the same servers, and a socket. */
  floor(part: number): FloorPlace;
  /** Ends the process that is profiled and gives the text of its CPU profile. */
  profile(): Promise<string>;
}

export interface FloorPlace {
  /** `CHAPPE_LOG` and `CHAPPE_STORE`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly socket: string;
}

export type Mode = 'standalone' | 'cluster';

export interface TargetProcess {
  /** E.g. `sender-a1`. */
  readonly name: string;
  /** Several processes of one kind are one part: `sender`. */
  readonly part: string;
  readonly pid: number;
}

export interface ProcessUsage extends TargetProcess, Usage {}

export interface TargetOptions {
  /** The process that writes a CPU profile: `standalone`, or one of the cluster. Absent: none. */
  readonly profiled?: string;
}
