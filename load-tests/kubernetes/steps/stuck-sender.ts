/** Senders that cannot give up what they have: one is frozen, another's range is locked in the database. */
import { signalPod } from '../../../charts/lab/node.ts';
import { kubectl, until } from '../../../charts/lab/kubectl.ts';
import { nodes } from '../../../charts/lab/layout.ts';
import { change, namespace, sql } from '../releases.ts';
import { sendersOf } from '../shards.ts';
import { secondsText, type Step } from '../step.ts';
import { complaintsAbout, underLoad } from '../under-load.ts';
import { allReady } from './changes.ts';

const shard = 'chappe-sender-1';
const goneMsMax = 120_000;
/** What the chart gives a sender, and what a kubelet takes on top on a busy machine. */
const graceMsMax = 25_000 + 15_000;
const lockedSeconds = 90;

export const stuckSender: Step = {
  name: 'stuck-sender',
  what: 'under load a sender is frozen and asked to go; then one is to go while an administrator holds a lock on one of its ranges',
  run: async (context) => {
    const { admin } = context.installed();
    const figures: Record<string, string> = {};
    const complaints: string[] = [];
    const othersServe = async (): Promise<boolean> => {
      const { ranges } = await admin.cluster.listRanges({});
      return ranges.every(({ owner, problem }) => owner !== shard && problem === '');
    };
    const frozen = async (): Promise<void> => {
      const pod = (await sendersOf()).find(({ name }) => name === shard);
      const node = nodes.find(({ name }) => name === pod?.node);
      if (pod === undefined || node === undefined) throw new Error(`${shard} is nowhere`);
      const startedAt = performance.now();
      await signalPod(node, pod.uid, 'SIGSTOP');
      await kubectl(['--namespace', namespace, 'delete', 'pod', shard, '--wait=false']);
      const others = until('other senders have its ranges', goneMsMax, othersServe).then(() => performance.now());
      await until('its pod is gone', goneMsMax, async () => !(await isThere(pod.uid)));
      const goneMs = performance.now() - startedAt;
      figures['frozen: others serve its ranges after'] = secondsText((await others) - startedAt);
      figures['frozen: its pod is gone after'] = secondsText(goneMs);
      if (goneMs > graceMsMax) complaints.push(`a frozen sender was there for ${secondsText(goneMs)}`);
      await allReady(12);
      await until('it has ranges again', goneMsMax, async () =>
        (await admin.cluster.listRanges({})).ranges.some(({ owner }) => owner === shard),
      );
    };
    const locked = async (): Promise<void> => {
      const { ranges } = await admin.cluster.listRanges({});
      const id = ranges.find(({ owner }) => owner === shard)?.id ?? '';
      const startedAt = performance.now();
      const lock = `SELECT epoch FROM range_progress WHERE range_id = '${id}' FOR UPDATE`;
      const released = sql(`START TRANSACTION; ${lock}; SELECT SLEEP(${lockedSeconds})`).catch((error: unknown) =>
        complaints.push(`the lock: ${error instanceof Error ? error.message : 'unknown'}`),
      );
      await change({ sender: { scaling: { least: 1, most: 1 } } });
      await until('the sender is gone', goneMsMax, async () => (await sendersOf()).length === 1);
      figures['a range is locked: its sender is gone after'] = secondsText(performance.now() - startedAt);
      const waiting = (await admin.cluster.listRanges({})).ranges.find((range) => range.id === id);
      figures['a range is locked: said of it'] =
        `${waiting?.owner ?? 'nobody'}: "${waiting?.problem.slice(0, 160) ?? ''}"`;
      await released;
      const freeAt = performance.now();
      await until('every range is served', goneMsMax, othersServe);
      figures['every range served, after the lock'] = secondsText(performance.now() - freeAt);
      await change({ sender: { scaling: { least: 2, most: 2 } } });
      await allReady(12);
    };
    const load = await underLoad({ ...context, ...context.installed() }, async () => {
      await frozen();
      await locked();
    });
    return { figures, load, complaints: [...complaintsAbout(load), ...complaints] };
  },
};

/** Whether this very pod is there, ending or not. */
async function isThere(uid: string): Promise<boolean> {
  const path = 'jsonpath={.items[*].metadata.uid}';
  return (await kubectl(['--namespace', namespace, 'get', 'pods', `--output=${path}`])).includes(uid);
}
