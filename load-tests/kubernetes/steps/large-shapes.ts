/** Shapes that no laptop holds, on nodes that are only told to Kubernetes: what the scheduler makes of the chart. */
import { kubectl, until } from '../../../charts/lab/kubectl.ts';
import { simulatedZones } from '../../../charts/lab/layout.ts';
import { addSimulatedNodes, removeSimulatedNodes, simulatedOnly } from '../../../charts/lab/simulated-nodes.ts';
import { podsOf, type Pod } from '../pods.ts';
import { chappeValues, deploy, makeNamespace, type Values } from '../releases.ts';
import { secondsText, type Step } from '../step.ts';

const namespace = 'large';
const senders = 200;
const placedMsMax = 120_000;

export const largeShapes: Step = {
  name: 'large-shapes',
  what: '200 senders over 3 zones of simulated nodes: their spread, budgets, and a zone that is too small',
  run: async () => {
    await addSimulatedNodes(5);
    try {
      await makeNamespace(namespace);
      const startedAt = performance.now();
      await deployWith([
        `sender.replicas=${senders}`,
        'gateway.replicas=30',
        'crypto.replicas=30',
        'relay.replicas=30',
      ]);
      const wanted = senders + 90 + 4;
      const pods = await placed((all) => all.length === wanted && all.every(({ node }) => node !== undefined));
      const placedMs = performance.now() - startedAt;
      const skews = ['sender', 'gateway', 'crypto', 'relay'].map((component) => skewOf(pods, component));
      const perNode = mostPerNode(pods, 'sender');
      const evictable = await evictableSenders();
      const full = await zoneTooSmall();
      return {
        figures: {
          'pods placed': `${pods.length}, ${secondsText(placedMs)}`,
          'senders in zones': zoneCounts(pods, 'sender').join(' + '),
          'most senders on a node': String(perNode),
          'senders that may be evicted at once': String(evictable),
          'a zone with room for 10': full.text,
        },
        complaints: [
          ...(Math.max(...skews) <= 1 ? [] : [`a service is spread with a skew of ${Math.max(...skews)}`]),
          ...(perNode <= Math.ceil(senders / 15) + 1 ? [] : [`${perNode} senders are on one node`]),
          ...(evictable === 1 ? [] : [`${evictable} senders may be evicted at once`]),
          ...full.complaints,
        ],
      };
    } finally {
      await kubectl(['delete', 'namespace', namespace, '--timeout=90s']);
      await removeSimulatedNodes();
    }
  },
};

/** Hooks wait for pods that do their work; on simulated nodes none does. */
async function deployWith(set: readonly string[]): Promise<void> {
  const values = {
    ...chappeValues,
    ...simulatedOnly,
    gateway: { ...(chappeValues['gateway'] as Values), service: {} },
    relay: { ...(chappeValues['relay'] as Values), service: {} },
  };
  await deploy({ release: 'chappe', chart: 'chappe', values, set, namespace, hasNoHooks: true });
}

/** One zone has one node with room for ten: the others take one more each, and the rest says what it waits for. */
async function zoneTooSmall(): Promise<{ readonly text: string; readonly complaints: readonly string[] }> {
  await kubectl(['--namespace', namespace, 'scale', 'statefulset/chappe-sender', '--replicas=0']);
  const [, , zone] = simulatedZones;
  await kubectl(['delete', 'node', ...[1, 2, 3, 4].map((index) => `simulated-${zone}-${index}`)]);
  for (const service of ['gateway', 'crypto', 'relay', 'billing', 'coordinator'])
    await kubectl(['--namespace', namespace, 'scale', `deployment/chappe-${service}`, '--replicas=0']);
  await until('the services are gone', placedMsMax, async () => (await podsOf('chappe', namespace)).length === 0);
  const room = [{ op: 'replace', path: '/status/allocatable/pods', value: '10' }];
  await kubectl([
    'patch',
    'node',
    `simulated-${zone}-0`,
    '--subresource=status',
    '--type=json',
    `--patch=${JSON.stringify(room)}`,
  ]);
  await kubectl(['--namespace', namespace, 'scale', 'statefulset/chappe-sender', '--replicas=60']);
  const pods = await placed((all) => all.length === 60 && all.filter(({ node }) => node !== undefined).length === 32);
  const waiting = pods.find(({ node, problem }) => node === undefined && problem !== '')?.problem ?? '';
  const says = /didn't match pod topology spread constraints/u.test(waiting);
  return {
    text: `${zoneCounts(pods, 'sender').join(' + ')} of 60; the others wait: "${waiting.slice(0, 140)}"`,
    complaints: says ? [] : [`a pod that waits does not say why: ${waiting}`],
  };
}

async function placed(areThey: (pods: readonly Pod[]) => boolean): Promise<readonly Pod[]> {
  let pods: readonly Pod[] = [];
  await until('pods have nodes', placedMsMax, async () => {
    pods = await podsOf('chappe', namespace);
    return areThey(pods);
  });
  return pods;
}

function zoneCounts(pods: readonly Pod[], component: string): number[] {
  return simulatedZones.map(
    (zone) =>
      pods.filter((pod) => pod.component === component && pod.node?.startsWith(`simulated-${zone}-`) === true).length,
  );
}

function skewOf(pods: readonly Pod[], component: string): number {
  const counts = zoneCounts(pods, component);
  return Math.max(...counts) - Math.min(...counts);
}

function mostPerNode(pods: readonly Pod[], component: string): number {
  const counts = Map.groupBy(
    pods.filter((pod) => pod.component === component),
    ({ node }) => node,
  );
  return Math.max(...[...counts.values()].map((group) => group.length));
}

async function evictableSenders(): Promise<number> {
  let allowed = 0;
  await until('the budget is counted', placedMsMax, async () => {
    const path = 'jsonpath={.status.expectedPods} {.status.disruptionsAllowed}';
    const text = await kubectl([
      '--namespace',
      namespace,
      'get',
      'poddisruptionbudget',
      'chappe-sender',
      `--output=${path}`,
    ]);
    const [expected, now] = text.split(' ').map(Number);
    allowed = now ?? 0;
    return expected === senders && allowed > 0;
  });
  return allowed;
}
