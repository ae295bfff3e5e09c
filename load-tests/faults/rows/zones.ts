/** Rows 19 and 20: packets between the zones are lost, a zone is lost, the witness is lost. */
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultCluster } from '../fault-cluster.ts';
import { bothOf, noNoteSaysNo, recoversWithin, refusesNothing } from '../row.ts';
import type { Row, RowContext } from '../row.ts';
import type { RowResult } from '../run-row.ts';

type Zone = 'a' | 'b';

/** No range goes from shard to shard: what was moved once stays. */
async function noteMoves({ cluster, note }: RowContext, sinceMs: number): Promise<void> {
  const assigned = (await cluster.said(sinceMs)).filter(({ msg }) => msg === 'range assigned');
  const most = Math.max(0, ...[...Map.groupBy(assigned, ({ range }) => range)].map(([, moves]) => moves.length));
  note(`${assigned.length} ranges were given to other shards, each ${most} times at most`);
  if (most > 1) note('NO steady owners');
}

let begunMs = 0;

/** With four brokers, three of etcd and two databases on two cores. */
const perSecond = 15;

function packetsLost(no: number, share: number, acceptance: Row['acceptance']): Row {
  return {
    no,
    name: `${share * 100} % of the packets between zones are lost`,
    injection: 'iptables statistic between zones and witness, for 20 s; clients reach both zones',
    zones: 2,
    perSecond,
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
async function noteRoom({ cluster, note }: Pick<RowContext, 'cluster' | 'note'>): Promise<ReadonlyMap<string, number>> {
  const capacity = await figureOf(cluster, 'capacity_commands');
  const load = sum((await figureOf(cluster, 'load_commands')).values());
  const left = new Map([...capacity].map(([zone, own]) => [zone, sum(capacity.values()) - own]));
  const texts = [...left].map(([zone, commands]) => `${commands} without ${zone}`);
  note(`metrics: ${load.toFixed(1)} commands a second, shards can do ${texts.join(', ')}`);
  for (const [zone, commands] of left)
    if (left.size > 1 && commands < load) note(`NO: metrics say that without ${zone} the load could not be carried`);
  return left;
}

/** That one zone alone is left: nothing would carry the load without it, and it alone has what is accepted. */
async function noteOneZone(context: RowContext, zone: Zone): Promise<void> {
  const { cluster, note } = context;
  const left = await noteRoom(context);
  if (left.size !== 1 || left.get(zone) !== 0) note(`NO: metrics know zones ${[...left.keys()].join(' and ')}`);
  const page = await cluster.metricsOf(await cluster.leader());
  const inOneZone = Number(/^chappe_coordinator_topics\{copies="one_zone"\} (\d+)$/m.exec(page)?.[1] ?? 0);
  note(`${inOneZone === 0 ? 'NO: ' : ''}metrics say that the copies of ${inOneZone} topics lie in one zone`);
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
    perSecond,
    faultMs: 10_000,
    afterMs: 15_000,
    drainMsMax: 120_000,
    prepare: async (context) => {
      const left = await noteRoom(context);
      if (left.size !== 2) context.note('NO: metrics do not know both zones');
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
      const { databaseWentOnAt = 0 } = cluster;
      if (databaseWentOnAt > faultAt)
        note(
          `by the stand-in for RDS the database went on ${Math.round(databaseWentOnAt - faultAt)} ms after the fault`,
        );
      if (cluster.databaseProblem !== undefined) note(`NO: the database: ${cluster.databaseProblem}`);
      await noteOneZone(context, other(lost));
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
  name: 'the witness is lost, and gets a new disk',
  injection: 'DROP of all of it for 15 s; then it comes back with nothing, by the commands of docs/cluster.md',
  zones: 2,
  perSecond,
  faultMs: 15_000,
  inject: async ({ cluster }) => {
    begunMs = Date.now();
    await cluster.cutOff('witness');
  },
  heal: async (context) => {
    await noteMoves(context, begunMs);
    await context.cluster.replaceWitness();
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, noNoteSaysNo),
};

let left: Zone = 'b';

function servesAgain({ answeredDuring, recovery }: RowResult): readonly string[] {
  const problems = answeredDuring > 0 ? [] : ['nothing was accepted after the commands'];
  return recovery?.missing.length === 0 ? problems : [...problems, 'not every range was served again'];
}

/** Without a majority of etcd and of Kafka's controllers: nothing is accepted, nothing is lost, and somebody has to come. */
export const zoneAndWitnessLost: Row = {
  no: 20.4,
  name: 'a zone and the witness are lost; the other zone goes on by the commands of docs/cluster.md',
  injection: 'DROP and kill -9 of the zone with the primary and of the witness',
  zones: 2,
  perSecond,
  faultMs: 20_000,
  afterMs: 15_000,
  drainMsMax: 180_000,
  inject: async ({ cluster, load, note, inForce }) => {
    const lost = await zoneOfPrimary(cluster);
    left = other(lost);
    for (const site of [lost, 'witness'] as const) await cluster.cutOff(site);
    for (const site of [lost, 'witness'] as const) await cluster.killAll(site);
    await pause(lostMs);
    const refusal = await load.probe();
    note(
      refusal === undefined ? 'NO refusal without a majority' : `without a majority a probe was told ${refusal.reason}`,
    );
    const begunAt = performance.now();
    await cluster.forceQuorum(left);
    note(`zone ${left} went on alone ${Math.round(performance.now() - begunAt)} ms after the first command`);
    inForce();
  },
  heal: ({ cluster }) => cluster.bringBack(other(left), 'forced'),
  acceptance: bothOf(servesAgain, refusesNothing, noNoteSaysNo),
};
