/**
 * The real stack on this machine, unprivileged and on loopback: Kafka, etcd and MariaDB.
 *
 *     node load-tests/stack/main.ts install | up | down | status | env  [--zones 2] [--wipe] [--only kafka,etcd]
 *
 * `up` installs what is missing, starts what does not run and prints where it is; it can be repeated.
 * `down` ends only what `up` started; `--wipe` removes its data as well. `env` prints lines for a shell.
 */
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { etcd } from './etcd.ts';
import { kafka } from './kafka.ts';
import { mariadb } from './mariadb.ts';
import { serversOf, stopServer } from './process-record.ts';
import type { ServerStatus } from './process-record.ts';
import { stackContext } from './stack-context.ts';
import type { StackContext, StackPart } from './stack-context.ts';

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
    await refuseOtherShape();
    for (const part of chosen) await part.install(context);
    // Side by side: most of the time is servers waiting for their own members.
    await Promise.all(chosen.map((part) => part.start(context)));
    await printStatus(context);
    break;
  case 'down':
    for (const shape of bothShapes()) await stopAll(shape);
    break;
  case 'status':
    for (const shape of bothShapes()) await printStatus(shape);
    break;
  case 'env':
    for (const part of chosen) {
      for (const [name, value] of Object.entries(part.environment(context))) print(`export ${name}='${value}'`);
    }
    break;
  default:
    throw new Error('install, up, down, status or env');
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
