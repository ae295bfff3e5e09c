/**
 * What nodes and pods say about shards: which are to be empty because their node is about to be, and which zone one
 * is in whose environment does not tell it. Pure.
 *
 * A shard's pod has its name. A mark is taken back when the node stays after all, and when the pod has come to life on
 * another one. Never are all shards marked, and only as many at a time as leave the others able to carry the load: with
 * every node on its way out they follow each other, as pods come up elsewhere.
 */
import type { Drain } from '@chappe/ranges/drain';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { withoutAZoneShare } from './limits.ts';

export interface Node {
  readonly name: string;
  /** Absent: it has no such label. */
  readonly zone?: string;
  /** Why it is about to be emptied, in words. Absent: it is not. */
  readonly leaves?: string;
}

export interface Pod {
  readonly name: string;
  /** Absent: it has no place yet. */
  readonly node?: string;
  readonly isRunning: boolean;
  /** Whether it has the zone's label itself, so that its process is told the zone. */
  readonly hasZone: boolean;
}

interface Taint {
  readonly key: string;
  readonly value?: string;
}

/** Taints of those that take nodes away, put on before pods are evicted. A soft one that is often withdrawn is none of them. */
const leavingTaints: readonly Taint[] = [
  { key: 'ToBeDeletedByClusterAutoscaler' },
  // Karpenter since 1.0, and before.
  { key: 'karpenter.sh/disrupted' },
  { key: 'karpenter.sh/disruption', value: 'disrupting' },
  // An upgrade of an EKS node group marks all nodes of the version before.
  { key: 'eks.amazonaws.com/nodegroup', value: 'unschedulable' },
  // AWS node termination handler: a spot node is reclaimed, an instance is retired.
  { key: 'aws-node-termination-handler/spot-itn' },
  { key: 'aws-node-termination-handler/scheduled-maintenance' },
  { key: 'aws-node-termination-handler/asg-lifecycle-termination' },
  { key: 'cloud.google.com/impending-node-termination' },
  { key: 'node.cloudprovider.kubernetes.io/shutdown' },
  { key: 'node.kubernetes.io/out-of-service' },
];

/** Why a node with this `spec` is about to be emptied; undefined: it is not. */
export function whyNodeLeaves(isUnschedulable: boolean, taints: readonly Taint[]): string | undefined {
  if (isUnschedulable) return 'it is cordoned';
  const found = leavingTaints.find(({ key, value }) =>
    taints.some((taint) => taint.key === key && (value === undefined || taint.value === value)),
  );
  return found === undefined ? undefined : `it has the taint ${found.key}`;
}

export interface Placement {
  /** Those that are alive. */
  readonly shards: ReadonlyMap<string, ShardInfo>;
  readonly drains: ReadonlyMap<string, Drain>;
  /** By name. */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly nodes: ReadonlyMap<string, Node>;
}

/** By shard: true, it is to be marked; false, its mark is to be taken back. What stays as it is is not in it. */
export function nodeDrainChanges(placement: Placement): Map<string, boolean> {
  const { shards, drains } = placement;
  const marked = new Set([...drains].filter(([, { node }]) => node !== undefined).map(([shard]) => shard));
  const wanted = wantedMarks(placement, marked);
  const changes = new Map<string, boolean>();
  for (const shard of wanted) if (!marked.has(shard)) changes.set(shard, true);
  for (const shard of marked) {
    if (wanted.has(shard)) continue;
    // Between two pods of one name nothing is known but that the process may still be there.
    if (isOnLeavingNode(placement, shard) || !isBetweenPods(placement, shard) || !shards.has(shard))
      changes.set(shard, false);
  }
  return changes;
}

function wantedMarks({ shards, drains, pods, nodes }: Placement, marked: ReadonlySet<string>): Set<string> {
  const placement = { shards, drains, pods, nodes };
  const staying = new Map(
    [...shards].filter(([id, { isLeaving }]) => isLeaving !== true && !isDrainedByOthers(drains, id)),
  );
  const load = [...shards.values()].reduce((sum, { rate }) => sum + rate, 0);
  let capacity = [...staying.values()].reduce((sum, shard) => sum + shard.capacity, 0);
  // Those that are marked come first: load that changes takes no mark back.
  const candidates = [...staying.keys()]
    .filter((id) => isOnLeavingNode(placement, id))
    .toSorted((a, b) => Number(marked.has(b)) - Number(marked.has(a)) || (a < b ? -1 : 1));
  const wanted = new Set<string>();
  for (const id of candidates) {
    const left = capacity - (staying.get(id)?.capacity ?? 0);
    const isCarried = left * withoutAZoneShare >= load || wanted.size === 0 || marked.has(id);
    if (staying.size < 2 || !isCarried) continue;
    staying.delete(id);
    capacity = left;
    wanted.add(id);
  }
  // Not alive, so that nothing can be said against it: it may be starting again.
  for (const id of marked) if (!shards.has(id) && isOnLeavingNode(placement, id)) wanted.add(id);
  return wanted;
}

function isDrainedByOthers(drains: ReadonlyMap<string, Drain>, shard: string): boolean {
  const drain = drains.get(shard);
  return drain?.operator !== undefined || drain?.scaling !== undefined;
}

function isOnLeavingNode({ pods, nodes }: Placement, shard: string): boolean {
  return nodes.get(pods.get(shard)?.node ?? '')?.leaves !== undefined;
}

function isBetweenPods({ pods }: Placement, shard: string): boolean {
  const pod = pods.get(shard);
  return pod === undefined || !pod.isRunning;
}

/** By shard: the zone that it is to be told. Others of `told` are to be forgotten. */
export function zonesToTell({ pods, nodes }: Placement): Map<string, string> {
  return new Map(
    [...pods.values()].flatMap(({ name, node, hasZone }) => {
      const zone = hasZone ? undefined : nodes.get(node ?? '')?.zone;
      return zone === undefined ? [] : [[name, zone] as const];
    }),
  );
}
