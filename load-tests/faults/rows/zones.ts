/** Rows 19 and 20: packets between the zones are lost, a zone is lost, the witness is lost. */
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultCluster } from '../fault-cluster.ts';
import { bothOf, noNoteSaysNo, recoversWithin, refusesNothing } from '../row.ts';
import type { Row, RowContext } from '../row.ts';
import type { RowResult } from '../run-row.ts';

const zones = ['a', 'b'] as const;
type Zone = (typeof zones)[number];

/** No range goes from shard to shard: what was moved once stays. */
async function noteMoves({ cluster, note }: RowContext, sinceMs: number): Promise<void> {
  const assigned = (await cluster.said(sinceMs)).filter(({ msg }) => msg === 'range assigned');
  const most = Math.max(0, ...[...Map.groupBy(assigned, ({ range }) => range)].map(([, moves]) => moves.length));
  note(`${assigned.length} ranges were given to other shards, each ${most} times at most`);
  if (most > 1) note('NO steady owners');
}

let begunMs = 0;

function packetsLost(no: number, share: number, acceptance: Row['acceptance']): Row {
  return {
    no,
    name: `${share * 100} % of the packets between zones are lost`,
    injection: 'iptables statistic between zones and witness, for 20 s; clients reach both zones',
    zones: 2,
    faultMs: 20_000,
    drainMsMax: 120_000,
    inject: async ({ cluster }) => {
      begunMs = Date.now();
      await cluster.losePackets(share);
    },
    heal: async (context) => {
      await noteMoves(context, begunMs);
      await context.cluster.endLoss(share);
    },
    acceptance: bothOf(acceptance, refusesNothing, noNoteSaysNo),
  };
}

function p99AtMostDoubled({ before, during }: RowResult): readonly string[] {
  if (before === undefined || during === undefined) return ['nothing was shown'];
  return during.p99Ms <= 2 * before.p99Ms
    ? []
    : [`p99 was ${Math.round(during.p99Ms)} ms, ${Math.round(before.p99Ms)} ms before: more than twice`];
}

function halfTheRate({ shownPerSecond: { before, during } }: RowResult): readonly string[] {
  return during >= before / 2 ? [] : [`${during.toFixed(1)} messages a second were shown, ${before.toFixed(1)} before`];
}

export const onePercentLost = packetsLost(19, 0.01, p99AtMostDoubled);
export const fivePercentLost = packetsLost(19.1, 0.05, halfTheRate);
export const twentyPercentLost = packetsLost(19.2, 0.2, () => []);

/** A figure of each zone, of the page of whoever leads. */
async function figureOf(cluster: FaultCluster, figure: string): Promise<ReadonlyMap<string, number>> {
  const page = await cluster.metricsOf(await cluster.leader());
  const series = new RegExp(`^chappe_coordinator_zone_${figure}\\{shard_zone="(\\w+)"\\} (\\S+)$`, 'gm');
  return new Map([...page.matchAll(series)].map(([, zone = '', value]) => [zone, Number(value)]));
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** What chappe:capacity_without_zone_commands:sum and chappe:load_commands:sum say of each zone. */
async function noteRoom(
  { cluster, note }: Pick<RowContext, 'cluster' | 'note'>,
  expected: readonly Zone[],
): Promise<void> {
  const capacity = await figureOf(cluster, 'capacity_commands');
  const load = sum((await figureOf(cluster, 'load_commands')).values());
  const without = [...capacity].map(([zone, own]) => ({ zone, left: sum(capacity.values()) - own }));
  const text = without.map(({ zone, left }) => `${left} without ${zone}`).join(', ');
  note(`metrics: ${Math.round(load)} commands a second, shards can do ${text}`);
  const seen = [...capacity.keys()].toSorted().join(' and ');
  if (seen !== expected.join(' and ')) note(`NO: metrics know zones ${seen}`);
  // One zone is left: what remains without it is nothing, and it cannot be lost any more.
  for (const { zone, left } of without)
    if (left >= load !== expected.length > 1) note(`NO: metrics say ${left} is left without ${zone}`);
}

const lostMs = 12_000;

interface Loss {
  readonly no: number;
  readonly name: string;
  /** Which zone, by the zone of the database's primary. */
  readonly victim: (primary: Zone) => Zone;
  readonly how: 'dropped, then killed' | 'killed';
}

const other = (zone: Zone): Zone => (zone === 'a' ? 'b' : 'a');

async function zoneOfPrimary(cluster: FaultCluster): Promise<Zone> {
  return (await cluster.primary()) === 'mariadb-a' ? 'a' : 'b';
}

function zoneLost({ no, name, victim, how }: Loss): Row {
  let lost: Zone = 'a';
  return {
    no,
    name,
    injection: how === 'killed' ? 'kill -9 of all of it' : 'DROP of all of it, kill -9 of all of it 12 s later',
    zones: 2,
    faultMs: 10_000,
    afterMs: 15_000,
    drainMsMax: 120_000,
    prepare: async (context) => {
      await noteRoom(context, zones);
    },
    inject: async (context) => {
      const { cluster, note } = context;
      const faultAt = performance.now();
      lost = victim(await zoneOfPrimary(cluster));
      if (how === 'killed') await cluster.killAll(lost);
      else await cluster.cutOff(lost);
      context.inForce();
      await pause(lostMs);
      if (how !== 'killed') await cluster.killAll(lost);
      note(`zone ${lost} was lost`);
      const { promotedAt } = cluster;
      if (promotedAt !== undefined && promotedAt > faultAt)
        note(`the stand-in for RDS had promoted the replica ${Math.round(promotedAt - faultAt)} ms after the fault`);
      await noteRoom(context, [other(lost)]);
    },
    heal: ({ cluster }) => cluster.bringBack(lost),
    acceptance: bothOf(recoversWithin(15_000), refusesNothing, noNoteSaysNo),
  };
}

export const zoneOfPrimaryCutOff = zoneLost({
  no: 20,
  name: 'a zone is lost, the one with the database primary',
  victim: (primary) => primary,
  how: 'dropped, then killed',
});
export const zoneOfPrimaryKilled = zoneLost({
  no: 20.1,
  name: 'the same, when every process there dies at once',
  victim: (primary) => primary,
  how: 'killed',
});
export const zoneOfReplicaCutOff = zoneLost({
  no: 20.2,
  name: 'a zone is lost, the one without the primary',
  victim: other,
  how: 'dropped, then killed',
});

export const witnessCutOff: Row = {
  no: 20.3,
  name: 'the witness is lost',
  injection: 'DROP of all of it for 15 s',
  zones: 2,
  faultMs: 15_000,
  inject: async ({ cluster }) => {
    begunMs = Date.now();
    await cluster.cutOff('witness');
  },
  heal: async (context) => {
    await noteMoves(context, begunMs);
    await context.cluster.join('witness');
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, noNoteSaysNo),
};
