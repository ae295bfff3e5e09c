/** What is applied is what the API takes; then it is installed, tested, and used from outside of the cluster. */
import { helm, kubectl, until } from '../../../charts/lab/kubectl.ts';
import { nodes } from '../../../charts/lab/layout.ts';
import { least, most, renderText } from '../../../charts/test/render.ts';
import { podsOf, spreadOf } from '../pods.ts';
import { shardZones } from '../shards.ts';
import { chappeValues, deploy, makeNamespace, makePeerSecret, namespace, serverValues } from '../releases.ts';
import { secondsText, type Step } from '../step.ts';
import { complaintsAbout, underLoad } from '../under-load.ts';

const installSeconds = 240;
const goneMsMax = 60_000;

export const dryRun: Step = {
  name: 'dry-run',
  what: 'the API server checks every object of both charts, with the least and the most values, and keeps none',
  run: async () => {
    await makeNamespace(namespace);
    let objects = 0;
    for (const [chart, values] of [
      ['chappe', least],
      ['chappe', most],
      ['chappe-dev', []],
    ] as const) {
      const text = await renderText(values, chart);
      const said = await kubectl(['apply', '--dry-run=server', '--namespace', namespace, '--filename', '-'], text);
      objects += said.trim().split('\n').length;
    }
    return { figures: { objects: String(objects) }, complaints: [] };
  },
};

export const install: Step = {
  name: 'install',
  what: 'servers, then Chappe with TLS between its services, under Pod Security `restricted`; `helm test`',
  run: async ({ connect, installed }) => {
    await makeNamespace(namespace);
    await makePeerSecret(namespace);
    const startedAt = performance.now();
    await deploy({ release: 'dev', chart: 'chappe-dev', values: serverValues, waitSeconds: installSeconds });
    const serversAt = performance.now();
    await deploy({
      release: 'chappe',
      chart: 'chappe',
      values: chappeValues,
      set: ['image.tag=before'],
      waitSeconds: installSeconds,
    });
    const installedAt = performance.now();
    await helm(['test', 'chappe', `--namespace=${namespace}`]);
    const testedAt = performance.now();
    await connect();
    const { text: zones, complaints: misplaced } = await shardZones(installed().admin);
    const pods = await podsOf('chappe');
    const spread = spreadOf(
      pods,
      nodes.map(({ name }) => name),
    );
    return {
      figures: {
        servers: secondsText(serversAt - startedAt),
        'Chappe, tables included': secondsText(installedAt - serversAt),
        'helm test': secondsText(testedAt - installedAt),
        'pods on node a + node b': spread,
        "shards' zones, by the labels of their pods": zones,
        '32 handsets registered': secondsText(performance.now() - testedAt),
      },
      complaints: [
        ...(pods.length === 12 && !/\b0\+|\+0\b/.test(spread) ? [] : [`not spread over zones: ${spread}`]),
        ...misplaced,
      ],
    };
  },
};

export const messages: Step = {
  name: 'messages',
  what: 'messages from outside to handsets outside, over ports of both nodes; receipts, replies and charges',
  run: async (context) => {
    const load = await underLoad({ ...context, ...context.installed() }, async () => undefined, { isProbed: true });
    return { figures: {}, load, complaints: complaintsAbout(load) };
  },
};

export const uninstall: Step = {
  name: 'uninstall',
  what: 'both releases are uninstalled; nothing of them is left but what was given to them',
  run: async ({ disconnect }) => {
    await disconnect();
    const startedAt = performance.now();
    await helm(['uninstall', 'chappe', `--namespace=${namespace}`, '--wait']);
    await helm(['uninstall', 'dev', `--namespace=${namespace}`, '--wait']);
    let left: readonly string[] = [];
    // Pods take the time that they are given to hand over and to stop.
    await until('nothing is left', goneMsMax, async () => {
      left = await leftIn(namespace);
      return left.length === 0;
    }).catch(() => undefined);
    const tookMs = performance.now() - startedAt;
    return { figures: { 'both releases': secondsText(tookMs), left: left.join(', ') || 'nothing' }, complaints: left };
  },
};

/** All objects of a namespace but those that Kubernetes or the run made. */
async function leftIn(at: string): Promise<string[]> {
  const kinds = (await kubectl(['api-resources', '--verbs=list', '--namespaced', '--output=name'])).trim().split('\n');
  const listed = kinds.filter((kind) => !/^(events|leases)(\.|$)|^podmetrics/.test(kind)).join(',');
  const names = await kubectl(['--namespace', at, 'get', listed, '--output=name', '--ignore-not-found']);
  // The last is an administrator's too, of the step `rotation`.
  const given = new Set([
    'configmap/kube-root-ca.crt',
    'serviceaccount/default',
    'secret/chappe-peers',
    'secret/chappe-store-b',
  ]);
  return names.split('\n').filter((name) => name !== '' && !given.has(name));
}
