/** The lab as a whole: brought up, looked at, taken down. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, serversOf, stopServer } from '../../load-tests/stack/process-record.ts';
import { labFolder, tool } from '../test/tools.ts';
import { controlPlane, startControlPlane } from './control-plane.ts';
import { pushImages, removeWorkingContainers } from './images.ts';
import { kubectl } from './kubectl.ts';
import { kubernetesPrograms } from './kubernetes-programs.ts';
import { bridge, kubeconfig, nodes, serviceSubnet, stateFolder } from './layout.ts';
import { prepareMachine } from './machine.ts';
import { startNodes, stopNode } from './node.ts';
import { kwok } from './simulated-nodes.ts';

/** Idempotent: what runs is left alone, what does not is started. */
export async function bringUp(report: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  const say = (line: string): void =>
    report(`${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s  ${line}`);
  await prepareMachine(say);
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  say('programs: Kubernetes, CoreDNS, kube-router, helm (built at the first time: 15 minutes on two cores)');
  await kubernetesPrograms();
  for (const name of ['coredns', 'kube-router', 'helm'] as const) await tool(name);
  say('control plane');
  await startControlPlane();
  await pushImages(say);
  say('nodes');
  await startNodes();
  // From the machine to addresses of services, as a client in the cluster's network has.
  await runCommand('ip', ['route', 'replace', serviceSubnet, 'via', nodes[0]?.address ?? '']);
  say('ready');
}

/** @param wipe images and what they are built of go as well; programs stay */
export async function takeDown(wipe: boolean): Promise<void> {
  await Promise.all(nodes.map(stopNode));
  for (const name of [kwok, ...controlPlane.toReversed()]) await stopServer(stateFolder, name);
  await runCommand('ip', ['route', 'del', serviceSubnet]).catch(() => undefined);
  await runCommand('ip', ['link', 'del', bridge]).catch(() => undefined);
  await rm(stateFolder, { recursive: true, force: true });
  await removeWorkingContainers();
  if (wipe)
    for (const folder of ['containers', 'registry'])
      await rm(join(labFolder, folder), { recursive: true, force: true });
}

/** Lines for a reader; false: it is not up. */
export async function describe(report: (line: string) => void): Promise<boolean> {
  const servers = await serversOf(stateFolder);
  for (const { name, pid, running } of servers) report(`${name.padEnd(28)} ${running ? 'runs' : 'ENDED'}  pid ${pid}`);
  if (servers.length === 0 || !existsSync(kubeconfig)) {
    report('the lab is down: `make k8s-up` brings it up');
    return false;
  }
  report(await kubectl(['get', 'nodes', '--label-columns', 'topology.kubernetes.io/zone']));
  report(`export KUBECONFIG=${kubeconfig} PATH=${await kubernetesPrograms()}:${join(await tool('helm'), '..')}:$PATH`);
  return servers.every(({ running }) => running);
}
