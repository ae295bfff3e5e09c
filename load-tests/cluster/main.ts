/**
 * The cluster on this machine: every service a process of its own, on the servers of the local stack.
 *
 *     node load-tests/cluster/main.ts up | down | status | demo  [--zones 2] [--wipe] [--messages 4000]
 *
 * `up` starts what does not run and resolves when all of it is ready; it can be repeated. `down` asks
 * every process to end, and ends only what `up` started; with `--wipe` the next `up` makes a new cluster.
 * `demo` plays in a new cluster, which goes on afterwards.
 */
import { onStopSignal } from '@chappe/cli/stop-signal';
import { rm, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { serversOf, stopServer } from '../stack/process-record.ts';
import { runClusterDemo } from './demo.ts';
import { identityOfCluster, makeDatabase } from './environment.ts';
import { addressesOf, dataFolder, members } from './layout.ts';
import type { Member } from './layout.ts';
import { problemsOf, startMember, untilReady } from './member-process.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    zones: { type: 'string', default: '1' },
    wipe: { type: 'boolean', default: false },
    messages: { type: 'string', default: '4000' },
    'per-second': { type: 'string', default: '250' },
  },
});
const zones = values.zones === '2' ? 2 : 1;

const [command = 'status'] = positionals;
switch (command) {
  case 'up':
    await up();
    break;
  case 'down':
    await down(values.wipe);
    break;
  case 'status':
    await status();
    break;
  case 'demo':
    await demo();
    break;
  default:
    throw new Error('up, down, status or demo');
}

async function up(): Promise<void> {
  const startedMs = performance.now();
  const identity = await identityOfCluster();
  await makeDatabase(identity, zones);
  await Promise.all(members.map((member) => startMember(member, { identity, zones })));
  await untilReady(members);
  const node = { gateway: addressesOf('gateway'), devices: addressesOf('relay') };
  await writeFile(`${dataFolder}/cli.json`, JSON.stringify({ node, businesses: [] }), { mode: 0o600 });
  print(`the cluster ${identity.name} is ready (${((performance.now() - startedMs) / 1_000).toFixed(1)} s)`);
  print(`gateways ${node.gateway}   devices ${node.devices}`);
  const folder = relative(process.cwd(), dataFolder);
  print(`try: chappe shards --address ${node.gateway} --admin-key "$(cat ${folder}/admin-key)"`);
  print(`or:  chappe ranges --data ${folder}`);
}

async function down(wipe: boolean): Promise<void> {
  const running = await serversOf(dataFolder);
  // Gateways first, so that nothing new comes in; then whatever they and the senders need.
  const order: Member['service'][][] = [['gateway'], ['sender'], ['relay', 'billing', 'crypto', 'coordinator']];
  for (const services of order) {
    const names = running.filter(({ name }) => services.some((service) => name.startsWith(service)));
    await Promise.all(names.map(({ name }) => stopServer(dataFolder, name)));
  }
  if (running.length > 0) print(`${running.length} processes have ended`);
  if (wipe) await rm(dataFolder, { recursive: true, force: true });
}

/** In a new cluster: people register once, and may ask for few codes an hour. */
async function demo(): Promise<void> {
  await down(true);
  await up();
  const stopped = new AbortController();
  using _ = onStopSignal(() => stopped.abort());
  process.exitCode = await runClusterDemo(await identityOfCluster(), {
    messages: Number(values.messages),
    perSecond: Number(values['per-second']),
    signal: stopped.signal,
  });
  // The killed process comes back, and with it its share of the ranges.
  await up();
}

async function status(): Promise<void> {
  const known = await serversOf(dataFolder);
  if (known.length === 0) print('no cluster runs here: make cluster-up');
  for (const { name, pid, running } of known) {
    const member = members.find((candidate) => candidate.name === name);
    const problems = running && member !== undefined ? await problemsOf(member) : {};
    const text = Object.entries(problems).map(([part, problem]) => `${part}: ${problem}`);
    const state = running ? (text.length === 0 ? 'ready' : 'not ready') : 'ENDED';
    print(`${name.padEnd(14)} ${state.padEnd(10)} pid ${pid}  zone ${member?.zone ?? '-'}  ${text.join('; ')}`);
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
