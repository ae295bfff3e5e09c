/** What an operator does to a running cluster: empty a node, upgrade, scale. Nobody may notice more than a wait. */
import { setTimeout as pause } from 'node:timers/promises';
import { msOf } from '../../faults/report-page.ts';
import { recoveryOf, type Recovery } from '../../faults/recovery.ts';
import { kubectl, until } from '../../../charts/lab/kubectl.ts';
import { nodes } from '../../../charts/lab/layout.ts';
import { memoryOf, podsOf, spreadOf } from '../pods.ts';
import { change, chappeValues, deploy } from '../releases.ts';
import { Departures, sendersOf, shardZones } from '../shards.ts';
import { secondsText, type Step } from '../step.ts';
import { complaintsAbout, underLoad } from '../under-load.ts';

const readyMsMax = 180_000;
const emptyMsMax = 30_000;
/** What moved is shown by then, before pods start and take both processors. */
const settledMs = 3_000;
/** One that Kubernetes gives no pod: the coordinator tells shards what it says on their node. */
const ownZoneLabel = 'chappe.lab/zone';
const [, drained] = nodes;
const nodeNames = nodes.map(({ name }) => name);

export const drain: Step = {
  name: 'drain',
  what: '`kubectl cordon` of the node of zone b under load, and once the coordinator has emptied its shards `kubectl drain`: half of every service moves to the other node',
  run: async (context) => {
    const node = drained?.name ?? '';
    const { admin } = context.installed();
    let emptiedMs = Infinity;
    let handedOver: Recovery | undefined;
    try {
      const load = await underLoad(
        { ...context, ...context.installed() },
        async (sending) => {
          const startedAt = performance.now();
          const leaving = (await sendersOf()).filter((pod) => pod.node === node).map(({ name }) => name);
          await kubectl(['cordon', node]);
          await until('the shards of the node are empty', emptyMsMax, async () => {
            const { shards } = await admin.cluster.listShards({});
            const own = shards.filter(({ id }) => leaving.includes(id));
            return own.length > 0 && own.every(({ ranges, drainedBy }) => ranges === 0 && drainedBy.includes('node'));
          });
          emptiedMs = performance.now() - startedAt;
          await pause(settledMs, undefined, { signal: context.signal });
          const { ranges } = await admin.cluster.listRanges({});
          handedOver = recoveryOf(ranges, sending.tally.passages(), startedAt);
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
        figures: {
          'shards empty after the cordon': secondsText(emptiedMs),
          'longest wait until the drain, median over ranges / most': `${msOf(handedOver?.p50Ms)} / ${msOf(handedOver?.maxMs)}`,
          'drained, and all ready elsewhere': secondsText(load.actedMs),
          'pods on node a + node b': spread,
          'memory of coordinators, which watch Kubernetes': await memoryOf('coordinator'),
        },
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
  what: '`helm upgrade` to another image under load: every pod is replaced, tables first; zones by a label that pods do not have',
  run: async (context) => {
    for (const { name, zone } of nodes)
      await kubectl(['label', '--overwrite', 'node', name, `${ownZoneLabel}=${zone}`]);
    const load = await underLoad(
      { ...context, ...context.installed() },
      () =>
        deploy({
          release: 'chappe',
          chart: 'chappe',
          values: chappeValues,
          set: ['image.tag=after', `zones.topologyKey=${ownZoneLabel}`],
          waitSeconds: 300,
        }),
      { isProbed: true },
    );
    const { text: zones, complaints: misplaced } = await shardZones(context.installed().admin);
    const pods = await podsOf('chappe');
    const old = pods
      .filter(({ image }) => !image.endsWith(':after'))
      .map(({ name }) => `${name} is of the version before`);
    return {
      figures: {
        'upgraded, and all ready': secondsText(load.actedMs),
        'pods on node a + node b': spreadOf(pods, nodeNames),
        "shards' zones, as the coordinator told them": zones,
      },
      load,
      complaints: [...complaintsAbout(load), ...old, ...misplaced],
    };
  },
};

/** Told to take 8 a second each, of which 80 % are to be used, senders are too few for a load that this machine bears. */
const fewPerSecond = 8;
/** Two of them, more than six, and one. */
const rates = { before: 8, more: 40, less: 6 } as const;
const usualPerSecond = 1_500;
/** Four go, one after the other, each after 30 quiet seconds. */
const scaledMsMax = 480_000;

export const scale: Step = {
  name: 'scale',
  what: 'the coordinator sets the number of senders: 8, then 40, then 6 messages a second want 2, 6 and 2 of them',
  run: async (context) => {
    const { admin } = context.installed();
    const times: number[] = [];
    await using departures = new Departures(admin);
    const own = { ...context, ...context.installed(), perSecond: rates.before };
    const load = await withSmallSenders(own, async (sending) => {
      for (const [replicas, rate] of [
        [6, rates.more],
        [2, rates.less],
      ] as const) {
        const startedAt = performance.now();
        sending.setRate(rate);
        await until(`ranges are with ${replicas} senders`, scaledMsMax, async () => {
          const pods = await sendersOf();
          if (pods.length !== replicas || pods.some(({ isReady }) => !isReady)) return false;
          const { ranges } = await admin.cluster.listRanges({});
          const names = new Set(ranges.filter(({ state }) => state !== 'sealed').map(({ owner }) => owner));
          return names.size === replicas && [...names].every((name) => pods.some((pod) => pod.name === name));
        });
        times.push(performance.now() - startedAt);
      }
    });
    const went = departures.gone.filter(({ shard }) => !['chappe-sender-0', 'chappe-sender-1'].includes(shard));
    const order = went.map(({ shard }) => shard).join(', ');
    const full = went.filter(({ by, wasEmpty }) => by !== 'scaling' || !wasEmpty);
    return {
      figures: {
        '2 to 6, each with ranges': secondsText(times[0] ?? 0),
        '6 to 2, all ranges with them': secondsText(times[1] ?? 0),
        'emptied first, and gone': order,
      },
      load,
      complaints: [
        ...complaintsAbout(load),
        ...full.map(({ shard, by }) => `${shard} went with ranges, drained by ${by || 'nobody'}`),
        ...(order === 'chappe-sender-5, chappe-sender-4, chappe-sender-3, chappe-sender-2' ? [] : [`gone: ${order}`]),
      ],
    };
  },
};

/** Under load with small senders, and more of them if that is wanted; afterwards it is as before, whatever happened. */
async function withSmallSenders(...[context, act]: Parameters<typeof underLoad>): ReturnType<typeof underLoad> {
  await change({ sender: { capacity: fewPerSecond, scaling: { most: 6 } } });
  await allReady(12);
  try {
    return await underLoad(context, act);
  } finally {
    await change({ sender: { capacity: usualPerSecond, scaling: { most: 2 } } });
    await allReady(12);
  }
}

/** As many pods as there should be, all ready. */
export async function allReady(count: number): Promise<void> {
  await until(`${count} pods are ready`, readyMsMax, async () => {
    const pods = await podsOf('chappe');
    return pods.length === count && pods.every(({ isReady }) => isReady);
  });
}
