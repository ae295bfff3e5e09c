/**
 * Servers that outlive the script which started them: started detached, recorded, found again, ended.
 *
 * A record is `<dataFolder>/run/<name>.json` with the process id AND the time at which the kernel
 * started that process: a process id that was given to somebody else meanwhile is never taken for
 * ours, so nothing is ended that was not started here.
 */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export interface Server {
  /** Unique in its data folder, e.g. `kafka-1`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Run as this user and group; absent: as this process. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Of its ports; absent: 127.0.0.1. */
  readonly host?: string;
  /** The server has started when all of them accept connections. */
  readonly ports: readonly number[];
  /** Before its command, which runs in the same process: the namespace that it is in. */
  readonly enter?: readonly string[];
  readonly readyTimeoutMs?: number;
  /** It ends with the process that started it, also when that is killed. Absent: it lives on. */
  readonly endsWithStarter?: boolean;
}

interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  /** Clock ticks since the machine started, from /proc. */
  readonly startTicks: string;
  readonly ports: readonly number[];
}

export interface ServerStatus {
  readonly name: string;
  readonly pid: number;
  readonly running: boolean;
  readonly ports: readonly number[];
}

const defaultReadyTimeoutMs = 60_000;
const pollMs = 50;
const stopTimeoutMs = 20_000;
const connectTimeoutMs = 1_000;

/** Before a command: the kernel kills it when the process that started it is gone (util-linux). */
export const endingWithStarter = ['setpriv', '--pdeathsig', 'KILL'] as const;

/** Starts a server unless its record shows that it runs; `started` says which. Its output goes to `<dataFolder>/log/<name>.log`. */
export async function startServer(dataFolder: string, server: Server): Promise<'started' | 'running'> {
  const known = await readRecord(dataFolder, server.name);
  if (known !== undefined && (await isRunning(known))) {
    await untilReady(dataFolder, server, known.pid);
    return 'running';
  }
  for (const port of server.ports) {
    if (await accepts(port, server.host))
      throw new Error(`${server.name}: port ${port} is taken by a process that is not of this stack`);
  }

  await mkdir(`${dataFolder}/run`, { recursive: true });
  await mkdir(`${dataFolder}/log`, { recursive: true });
  const output = await open(logPath(dataFolder, server.name), 'a');
  const before = [...(server.endsWithStarter === true ? endingWithStarter : []), ...(server.enter ?? [])];
  const [command, ...args] = [...before, server.command];
  const child = spawn(command ?? server.command, [...args, ...server.args], {
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
    env: { ...process.env, ...server.environment },
    ...server.user,
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  await output.close();
  child.unref();

  const startTicks = await startTicksOf(pid);
  if (startTicks === undefined)
    throw new Error(`${server.name} ended at once: see ${logPath(dataFolder, server.name)}`);
  const record: ProcessRecord = { name: server.name, pid, startTicks, ports: server.ports };
  await writeFile(recordPath(dataFolder, server.name), JSON.stringify(record));
  await untilReady(dataFolder, server, pid);
  return 'started';
}

/** Ends a server and waits until it is gone: SIGTERM, after 20 s SIGKILL. Nothing happens if it does not run. */
export async function stopServer(dataFolder: string, name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const record = await readRecord(dataFolder, name);
  if (record !== undefined && (await isRunning(record))) {
    process.kill(record.pid, signal);
    // A server that was paused only hears of SIGTERM when it goes on.
    process.kill(record.pid, 'SIGCONT');
    const deadline = Date.now() + stopTimeoutMs;
    let isKilled = signal === 'SIGKILL';
    while (await isRunning(record)) {
      if (Date.now() > deadline && !isKilled) {
        process.kill(record.pid, 'SIGKILL');
        isKilled = true;
      }
      await pause(pollMs);
    }
  }
  await rm(recordPath(dataFolder, name), { force: true });
}

/** Sends a signal, e.g. SIGSTOP, SIGCONT or SIGKILL, to a server that runs; the record stays. */
export async function signalServer(dataFolder: string, name: string, signal: NodeJS.Signals): Promise<void> {
  const record = await readRecord(dataFolder, name);
  if (record === undefined || !(await isRunning(record))) throw new Error(`${name} does not run`);
  process.kill(record.pid, signal);
}

/** Every server that was started and not stopped, by name. */
export async function serversOf(dataFolder: string): Promise<ServerStatus[]> {
  const files = await readdir(`${dataFolder}/run`).catch(() => []);
  const statuses: ServerStatus[] = [];
  for (const file of files.toSorted((a, b) => a.localeCompare(b))) {
    const record = await readRecord(dataFolder, file.replace(/\.json$/, ''));
    if (record === undefined) continue;
    const { name, pid, ports } = record;
    statuses.push({ name, pid, running: await isRunning(record), ports });
  }
  return statuses;
}

/** Runs a command to its end; its output is in the error if it fails. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${String(code)}:\n${output.slice(-4_000)}`));
    });
  });
}

async function untilReady(dataFolder: string, server: Server, pid: number): Promise<void> {
  const deadline = Date.now() + (server.readyTimeoutMs ?? defaultReadyTimeoutMs);
  for (const port of server.ports) {
    while (!(await accepts(port, server.host))) {
      if ((await startTicksOf(pid)) === undefined || Date.now() > deadline) {
        throw new Error(
          `${server.name} does not accept connections on ${port}: see ${logPath(dataFolder, server.name)}`,
        );
      }
      await pause(pollMs);
    }
  }
}

/** Whether something accepts connections on a port; what is cut off does not. */
export function accepts(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: connectTimeoutMs });
    const end = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => end(true));
    // What came while this process stood still is looked at first.
    socket.once('timeout', () => setImmediate(() => end(false)));
    socket.once('error', () => end(false));
  });
}

async function isRunning(record: ProcessRecord): Promise<boolean> {
  return (await startTicksOf(record.pid)) === record.startTicks;
}

/** When a process was started; undefined if there is none, or only what is left of one that ended. */
async function startTicksOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The command's name stands in parentheses and may have spaces; state is the first field after it, start time the 20th.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

async function readRecord(dataFolder: string, name: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(recordPath(dataFolder, name), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as ProcessRecord);
}

function recordPath(dataFolder: string, name: string): string {
  return `${dataFolder}/run/${name}.json`;
}

export function logPath(dataFolder: string, name: string): string {
  return `${dataFolder}/log/${name}.log`;
}
