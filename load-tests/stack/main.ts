/**
 * The real stack on this machine, unprivileged and on loopback: Kafka, etcd and MariaDB.
 *
 *     node load-tests/stack/main.ts install | up | down | status | env  [--zones 2] [--wipe] [--only kafka,etcd]
 *     node load-tests/stack/main.ts run [--zones 2] -- <command>
 *
 * `up` installs what is missing, starts what does not run and prints where it is; it can be repeated.
 * `down` ends only what `up` started; `--wipe` removes its data as well. `env` prints lines for a shell.
 * `run` runs a command that finds the servers in its environment, ends what did not run before, and
 * ends as the command did.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { etcd } from './etcd.ts';
import { kafka } from './kafka.ts';
import { mariadb } from './mariadb.ts';
import { serversOf, stopServer } from './process-record.ts';
import type { ServerStatus } from './process-record.ts';
import { stackContext } from './stack-context.ts';
import type { StackContext, StackEnvironment, StackPart } from './stack-context.ts';

const parts: readonly StackPart[] = [kafka, etcd, mariadb];

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    zones: { type: 'string', default: '1' },
    wipe: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const zones = Number(values.zones);
if (zones !== 1 && zones !== 2) throw new Error('--zones is 1 or 2');
const context = stackContext(zones, print);
const names = values.only?.split(',') ?? parts.map(({ name }) => name);
const chosen = parts.filter(({ name }) => names.includes(name));

const [command = 'status'] = positionals;
switch (command) {
  case 'install':
    for (const part of chosen) await part.install(context);
    break;
  case 'up':
    await bringUp();
    break;
  case 'run':
    process.exitCode = await runOnStack(positionals.slice(1));
    break;
  case 'down':
    for (const shape of bothShapes()) await stopAll(shape);
    break;
  case 'status':
    for (const shape of bothShapes()) await printStatus(shape);
    break;
  case 'env':
    for (const [name, value] of Object.entries(environment())) print(`export ${name}='${value}'`);
    break;
  default:
    throw new Error('install, up, run, down, status or env');
}

async function bringUp(): Promise<void> {
  await refuseOtherShape();
  for (const part of chosen) await part.install(context);
  // Side by side: most of the time is servers waiting for their own members.
  await Promise.all(chosen.map((part) => part.start(context)));
  await printStatus(context);
}

function environment(): StackEnvironment {
  return Object.assign({}, ...chosen.map((part) => part.environment(context))) as StackEnvironment;
}

/** The exit code of the command. */
async function runOnStack([program, ...args]: readonly string[]): Promise<number> {
  if (program === undefined) throw new Error('run -- <command>');
  const before = (await chosenServers(context)).filter(({ running }) => running).map(({ name }) => name);
  let child: ChildProcess | undefined;
  let isInterrupted = false;
  // This process outlives the command, to clean up. An interrupt from a terminal reaches the command by itself.
  process.on('SIGINT', () => (isInterrupted = true));
  process.on('SIGTERM', () => {
    isInterrupted = true;
    child?.kill('SIGTERM');
  });
  try {
    await bringUp();
    if (isInterrupted) return 1;
    child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...environment() } });
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    for (const { name } of await chosenServers(context))
      if (!before.includes(name)) await stopServer(context.dataFolder, name);
  }
}

function bothShapes(): StackContext[] {
  return [stackContext(1, print), stackContext(2, print)];
}

/** Both shapes use the same ports. */
async function refuseOtherShape(): Promise<void> {
  const other = stackContext(context.zones === 1 ? 2 : 1, print);
  if ((await chosenServers(other)).some(({ running }) => running)) {
    throw new Error(`the stack of ${other.zones} zone(s) runs: take it down first`);
  }
}

async function stopAll(shape: StackContext): Promise<void> {
  await Promise.all(
    (await chosenServers(shape)).map(async ({ name }) => {
      await stopServer(shape.dataFolder, name);
      print(`${name} stopped`);
    }),
  );
  if (values.wipe && values.only === undefined) await rm(shape.dataFolder, { recursive: true, force: true });
}

async function chosenServers(shape: StackContext): Promise<ServerStatus[]> {
  const servers = await serversOf(shape.dataFolder);
  return servers.filter(({ name }) => chosen.some((part) => name.startsWith(part.name)));
}

async function printStatus(shape: StackContext): Promise<void> {
  for (const { name, pid, running, ports } of await serversOf(shape.dataFolder)) {
    print(`${name.padEnd(20)} ${running ? 'runs' : 'ENDED'}  pid ${pid}  ports ${ports.join(' ')}`);
  }
}
