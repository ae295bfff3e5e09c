/**
 * Nodes that are only told to Kubernetes: KWOK says of each, and of the pods on it, what a kubelet would, and runs nothing.
 * The scheduler, the controllers and the chart do not know the difference, so large shapes fit on one machine.
 *
 * They are tainted: only what tolerates `kwok.x-k8s.io/node` goes there.
 */
import { startServer, stopServer } from '../../load-tests/stack/process-record.ts';
import { tool } from '../test/tools.ts';
import { apply, kubectl } from './kubectl.ts';
import { hostAddress, kubeconfig, simulatedZones, stateFolder } from './layout.ts';

export const kwok = 'kwok';
const taint = 'kwok.x-k8s.io/node';

/** @param perZone how many in each of three zones; 32 processors and 110 pods each */
export async function addSimulatedNodes(perZone: number): Promise<void> {
  await startServer(stateFolder, {
    name: kwok,
    command: await tool('kwok'),
    args: [
      `--kubeconfig=${kubeconfig}`,
      '--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake',
      '--node-lease-duration-seconds=40',
      '--cidr=10.250.0.0/16',
      `--node-ip=${hostAddress}`,
      '--server-address=127.0.0.1:10247',
    ],
    ports: [10_247],
  });
  const size = { cpu: '32', memory: '128Gi', pods: '110' };
  const all = simulatedZones.flatMap((zone) =>
    Array.from({ length: perZone }, (_, index) => {
      const name = `simulated-${zone}-${index}`;
      const labels = {
        type: kwok,
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'topology.kubernetes.io/zone': zone,
        'topology.kubernetes.io/region': 'lab',
      };
      return {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels, annotations: { [taint]: 'fake' } },
        spec: { taints: [{ key: taint, value: 'fake', effect: 'NoSchedule' }] },
        status: { allocatable: size, capacity: size },
      };
    }),
  );
  await apply(all);
  await kubectl(['wait', '--for=condition=Ready', 'node', '--selector', `type=${kwok}`, '--timeout=60s']);
}

export async function removeSimulatedNodes(): Promise<void> {
  await kubectl(['delete', 'node', '--selector', `type=${kwok}`, '--wait=false']);
  await stopServer(stateFolder, kwok);
}

/** What a pod says to go there, and nowhere else. */
export const simulatedOnly = {
  nodeSelector: { type: kwok },
  tolerations: [{ key: taint, operator: 'Exists' }],
} as const;
