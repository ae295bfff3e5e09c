/** A standalone node as a process of its own, which a test may kill and start again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export interface NodeAddresses {
  readonly gateway: string;
  readonly devices: string;
}

export type NodeEnvironment = Readonly<Record<string, string>>;

export interface NodeProcess extends AsyncDisposable {
  readonly admin: string;
  /** Everything that it wrote to standard error so far. */
  readonly stderr: string;
  /** `kill -9`; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** How a process ended that never became ready. */
export interface FailedStart {
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** Resolves when the node says that it is ready. @throws Error with its last words if it ends before */
export async function startNodeProcess(environment: NodeEnvironment): Promise<NodeProcess> {
  const started = await tryNodeProcess(environment);
  if ('exitCode' in started) throw new Error(`the node ended with ${started.exitCode}: ${started.stderr}`);
  return started;
}

/** @param shell runs the node inside a shell line, `"$@"` standing for it: for limits set by `ulimit` */
export async function tryNodeProcess(environment: NodeEnvironment, shell?: string): Promise<NodeProcess | FailedStart> {
  const command = shell === undefined ? [process.execPath, main] : ['sh', '-c', shell, 'sh', process.execPath, main];
  const child = spawn(command[0] ?? '', command.slice(1), {
    env: { ...process.env, CHAPPE_ADMIN_PORT: '0', CHAPPE_LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(() => undefined);
  const line = await Promise.race([firstLine(child), ended]);
  if (line === undefined) return { exitCode: child.exitCode, stderr };
  const { admin } = JSON.parse(line) as { admin: string };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return {
    admin,
    get stderr() {
      return stderr;
    },
    kill: () => end('SIGKILL'),
    [Symbol.asyncDispose]: () => end('SIGTERM'),
  };
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  if (child.stdout === null) return undefined;
  for await (const line of createInterface(child.stdout)) return line;
  return undefined;
}

/** Two addresses that were free a moment ago: they stay the same over restarts. */
export async function freeAddresses(): Promise<NodeAddresses> {
  const [gateway, devices] = [await freeAddress(), await freeAddress()];
  return { gateway, devices };
}

async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
