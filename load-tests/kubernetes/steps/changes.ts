/** What an operator does to a running cluster: empty a node, upgrade, scale. Nobody may notice more than a wait. */
import { kubectl, until } from '../../../charts/lab/kubectl.ts';
import { nodes } from '../../../charts/lab/layout.ts';
import { podsOf, spreadOf } from '../pods.ts';
import { chappeValues, deploy, namespace } from '../releases.ts';
import { secondsText, type Step } from '../step.ts';
import { complaintsAbout, underLoad } from '../under-load.ts';

const readyMsMax = 180_000;
const [, drained] = nodes;
const nodeNames = nodes.map(({ name }) => name);

export const drain: Step = {
  name: 'drain',
  what: '`kubectl drain` of the node of zone b under load: half of every service moves to the other node',
  run: async (context) => {
    const node = drained?.name ?? '';
    try {
      const load = await underLoad(
        { ...context, ...context.installed() },
        async () => {
          await kubectl(['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=240s']);
          await allReady(12);
        },
        { isProbed: true },
      );
      const spread = spreadOf(await podsOf('chappe'), nodeNames);
      const stayed = (await podsOf('chappe'))
        .filter((pod) => pod.node === node)
        .map(({ name }) => `${name} is still on ${node}`);
      return {
        figures: { 'drained, and all ready elsewhere': secondsText(load.actedMs), 'pods on node a + node b': spread },
        load,
        complaints: [...complaintsAbout(load), ...stayed],
      };
    } finally {
      await kubectl(['uncordon', node]);
    }
  },
};

export const upgrade: Step = {
  name: 'upgrade',
  what: '`helm upgrade` to another image under load: every pod is replaced, tables first',
  run: async (context) => {
    const load = await underLoad(
      { ...context, ...context.installed() },
      () =>
        deploy({
          release: 'chappe',
          chart: 'chappe',
          values: chappeValues,
          set: ['image.tag=after'],
          waitSeconds: 300,
        }),
      { isProbed: true },
    );
    const pods = await podsOf('chappe');
    const old = pods
      .filter(({ image }) => !image.endsWith(':after'))
      .map(({ name }) => `${name} is of the version before`);
    return {
      figures: {
        'upgraded, and all ready': secondsText(load.actedMs),
        'pods on node a + node b': spreadOf(pods, nodeNames),
      },
      load,
      complaints: [...complaintsAbout(load), ...old],
    };
  },
};

export const scale: Step = {
  name: 'scale',
  what: 'senders under load: 2, then 6, then 2 again; ranges go to the new ones and come back',
  run: async (context) => {
    const { admin } = context.installed();
    const times: number[] = [];
    const owners: number[] = [];
    const load = await underLoad({ ...context, ...context.installed() }, async () => {
      for (const replicas of [6, 2]) {
        const startedAt = performance.now();
        await kubectl(['--namespace', namespace, 'scale', 'statefulset/chappe-sender', `--replicas=${replicas}`]);
        await until(`ranges are with ${replicas} senders`, readyMsMax, async () => {
          const pods = (await podsOf('chappe')).filter(({ component }) => component === 'sender');
          if (pods.length !== replicas || pods.some(({ isReady }) => !isReady)) return false;
          const { ranges } = await admin.cluster.listRanges({});
          const names = new Set(ranges.map(({ owner }) => owner));
          return names.size === replicas && [...names].every((name) => pods.some((pod) => pod.name === name));
        });
        times.push(performance.now() - startedAt);
        owners.push(new Set((await admin.cluster.listRanges({})).ranges.map(({ owner }) => owner)).size);
      }
    });
    return {
      figures: {
        '2 to 6, each with ranges': secondsText(times[0] ?? 0),
        '6 to 2, all ranges with them': secondsText(times[1] ?? 0),
      },
      load,
      complaints: complaintsAbout(load),
    };
  },
};

/** As many pods as there should be, all ready. */
export async function allReady(count: number): Promise<void> {
  await until(`${count} pods are ready`, readyMsMax, async () => {
    const pods = await podsOf('chappe');
    return pods.length === count && pods.every(({ isReady }) => isReady);
  });
}
