/** The leader's look at nodes and pods: shards whose node is about to be emptied are drained, zones are told. */
import type { Coordination, KeyValue, Operation } from '@chappe/coordination/coordination';
import { drainChange, drainPrefix, parseDrain, type Drain } from '@chappe/ranges/drain';
import { parseShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { formatToldZone, parseToldZone, toldZonePrefix } from '@chappe/ranges/told-zone';
import type { Kubernetes } from './kubernetes.ts';
import type { Leadership } from './leadership.ts';
import { nodeLookIntervalMs } from './limits.ts';
import { nodeDrainChanges, zonesToTell, type Placement } from './nodes.ts';
import type { PlacementEvents } from './placement-events.ts';

export interface NodeLookDependencies {
  readonly coordination: Coordination;
  readonly kubernetes: Kubernetes;
  readonly events: PlacementEvents;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** @returns after how many ms the next look is due */
export async function lookAtNodes(dependencies: NodeLookDependencies, leadership: Leadership): Promise<number> {
  const { coordination, kubernetes } = dependencies;
  const [pods, nodes] = [kubernetes.pods(), kubernetes.nodes()];
  if (pods === undefined || nodes === undefined) return nodeLookIntervalMs;
  const drainEntries = byId(drainPrefix, (await coordination.list(drainPrefix)).entries);
  const shardEntries = byId(shardPrefix, (await coordination.list(shardPrefix)).entries);
  const placement: Placement = {
    shards: new Map([...shardEntries].map(([id, { value }]) => [id, parseShardInfo(value)])),
    drains: new Map([...drainEntries].map(([id, { value }]): [string, Drain] => [id, parseDrain(value)])),
    pods,
    nodes,
  };
  for (const [shard, isToBeEmpty] of nodeDrainChanges(placement))
    await changeMark(dependencies, leadership, { shard, isToBeEmpty, entry: drainEntries.get(shard), placement });
  await tellZones(dependencies, leadership, placement);
  return nodeLookIntervalMs;
}

interface MarkChange {
  readonly shard: string;
  readonly isToBeEmpty: boolean;
  readonly entry: KeyValue | undefined;
  readonly placement: Placement;
}

async function changeMark(
  { coordination, events, now }: NodeLookDependencies,
  leadership: Leadership,
  { shard, isToBeEmpty, entry, placement }: MarkChange,
): Promise<void> {
  const change = drainChange(shard, entry, 'node', isToBeEmpty ? now() : undefined);
  const { succeeded } = await coordination.transact([leadership.compare, change.compare], change.operations);
  // Not succeeded: an operator changed it meanwhile, or another one leads; the next look sees it.
  if (!succeeded) return;
  const node = placement.nodes.get(placement.pods.get(shard)?.node ?? '');
  if (isToBeEmpty) events.drainBegun(shard, 'node', `node ${node?.name}: ${node?.leaves}`);
  else
    events.drainTakenBack(shard, 'node', node?.leaves === undefined ? 'its node stays' : 'others cannot do without it');
}

async function tellZones(
  { coordination, events }: NodeLookDependencies,
  leadership: Leadership,
  placement: Placement,
): Promise<void> {
  const told = byId(toldZonePrefix, (await coordination.list(toldZonePrefix)).entries);
  const wanted = zonesToTell(placement);
  for (const [shard, zone] of wanted) {
    const before = told.get(shard);
    if (before !== undefined && parseToldZone(before.value) === zone) continue;
    const put: Operation = { kind: 'put', key: toldZonePrefix + shard, value: formatToldZone(zone) };
    const { succeeded } = await coordination.transact([leadership.compare], [put]);
    if (succeeded) events.zoneTold(shard, zone);
  }
  for (const [shard, { key }] of told)
    if (!wanted.has(shard)) await coordination.transact([leadership.compare], [{ kind: 'delete', key }]);
}

function byId(prefix: string, entries: readonly KeyValue[]): Map<string, KeyValue> {
  return new Map(entries.map((entry) => [entry.key.slice(prefix.length), entry]));
}
