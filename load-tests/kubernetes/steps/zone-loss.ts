/** The loss of a zone: its node's cable is pulled, and nobody has told anybody. */
import { setTimeout as pause } from 'node:timers/promises';
import { setCable } from '../../../charts/lab/node.ts';
import { kubectl, until } from '../../../charts/lab/kubectl.ts';
import { nodes } from '../../../charts/lab/layout.ts';
import { podsOf } from '../pods.ts';
import { namespace } from '../releases.ts';
import { secondsText, type Step } from '../step.ts';
import { complaintsAbout, underLoad } from '../under-load.ts';
import { allReady } from './changes.ts';

/** Until Kubernetes calls the node lost: 50 s by default, and its taints make pods' places elsewhere no zone any more. */
const lostMsMax = 120_000;
/** From the loss until every range serves again, with what a message takes without it on top. */
const recoveryMsMax = 30_000;

/** `Local`: a node to its own pods, as behind a balancer that asks nodes for their health, which a lost one does not answer. */
async function handConnections(policy: 'Local' | 'Cluster'): Promise<void> {
  const patch = JSON.stringify({ spec: { externalTrafficPolicy: policy } });
  for (const service of ['chappe-gateway', 'chappe-relay'])
    await kubectl(['--namespace', namespace, 'patch', 'service', service, `--patch=${patch}`]);
}

export const zoneLoss: Step = {
  name: 'zone-loss',
  what: 'zone b is cut off under load, for as long as Kubernetes takes to call its node lost, and comes back',
  run: async (context) => {
    const [, lost] = nodes;
    if (lost === undefined) throw new Error('the lab has one node only');
    const { signal } = context;
    let calledLostMs = 0;
    await handConnections('Local');
    const load = await underLoad({ ...context, ...context.installed() }, async () => {
      const startedAt = performance.now();
      await setCable(lost, 'down');
      try {
        await until(`${lost.name} is called lost`, lostMsMax, async () => {
          const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
          return (await kubectl(['get', 'node', lost.name, `--output=${path}`])) !== 'True';
        });
        calledLostMs = performance.now() - startedAt;
        await pause(5_000, undefined, { signal });
      } finally {
        await setCable(lost, 'up');
        await handConnections('Cluster');
      }
      await kubectl(['wait', '--for=condition=Ready', `node/${lost.name}`, '--timeout=120s']);
      await allReady(12);
    });
    const recoveryMs = load.recovery?.maxMs ?? Infinity;
    const slow =
      recoveryMs > recoveryMsMax + (load.before?.p99Ms ?? 0)
        ? [`service came back after ${secondsText(recoveryMs)}`]
        : [];
    const pods = await podsOf('chappe');
    return {
      figures: {
        'longest wait in a range': secondsText(recoveryMs),
        'median over ranges': secondsText(load.recovery?.p50Ms ?? Infinity),
        'node called lost after': secondsText(calledLostMs),
        'all pods ready again': `${pods.length}, ${secondsText(load.actedMs)} after the loss`,
      },
      load,
      complaints: [...complaintsAbout(load), ...slow],
    };
  },
};
