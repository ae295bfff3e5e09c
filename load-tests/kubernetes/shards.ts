/** What the cluster says about its shards, held against what Kubernetes says about their pods. */
import type { AdminClient } from '@chappe/client/admin-client';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../charts/lab/kubectl.ts';
import { nodes } from '../../charts/lab/layout.ts';
import { podsOf, type Pod } from './pods.ts';

const toldMsMax = 60_000;
const lookMs = 200;

/** Each shard's zone is that of the node that its pod is on; it may have to be told first. */
export async function shardZones(
  admin: AdminClient,
): Promise<{ readonly text: string; readonly complaints: readonly string[] }> {
  let found: readonly { readonly id: string; readonly zone: string; readonly expected: string }[] = [];
  await until('shards know their zones', toldMsMax, async () => {
    const senders = await sendersOf();
    const { shards } = await admin.cluster.listShards({});
    found = shards.map(({ id, zone }) => ({ id, zone, expected: zoneOf(senders.find(({ name }) => name === id)) }));
    return found.length === senders.length && found.every(({ zone, expected }) => zone === expected);
  }).catch(() => undefined);
  return {
    text: found.map(({ id, zone }) => `${id} ${zone}`).join(', '),
    complaints: found
      .filter(({ zone, expected }) => zone !== expected)
      .map(({ id, zone, expected }) => `${id} says that it is in ${zone}, and is in ${expected}`),
  };
}

export async function sendersOf(): Promise<Pod[]> {
  return (await podsOf('chappe')).filter(({ component }) => component === 'sender');
}

function zoneOf(pod: Pod | undefined): string {
  return nodes.find(({ name }) => name === pod?.node)?.zone ?? '';
}

/** What was seen of shards that went: whether each was emptied before, and for whom. */
export class Departures implements AsyncDisposable {
  /** In the order in which they went. */
  readonly gone: { readonly shard: string; readonly by: string; readonly wasEmpty: boolean }[] = [];
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;

  constructor(admin: AdminClient) {
    this.#watching = this.#watch(admin);
    // Told when it is disposed of.
    this.#watching.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  async #watch(admin: AdminClient): Promise<void> {
    const seen = new Map<string, { readonly by: string; readonly wasEmpty: boolean }>();
    while (!this.#stopping.signal.aborted) {
      const { shards } = await admin.cluster.listShards({});
      for (const [shard, last] of seen) {
        if (shards.some(({ id }) => id === shard)) continue;
        seen.delete(shard);
        this.gone.push({ shard, ...last });
      }
      for (const { id, ranges, drainedBy } of shards) {
        const by = drainedBy.join('+');
        const wasEmpty = (seen.get(id)?.by === by && seen.get(id)?.wasEmpty === true) || (by !== '' && ranges === 0);
        seen.set(id, { by: by || (seen.get(id)?.by ?? ''), wasEmpty });
      }
      await pause(lookMs);
    }
  }
}
