/** How large a cluster of two zones is for a rate: a pure function of what was measured and what is paid. */
import type { CpuCost, Measured } from './measured.ts';
import type { Instance, Prices } from './prices.ts';

export interface Size {
  readonly perSecond: number;
  readonly cost: CpuCost;
  /** In each zone; the other one carries everything alone. */
  readonly pods: Readonly<Record<Service, number>>;
  /** Of Chappe's services at this rate, both zones together. */
  readonly processors: number;
  /** In each zone. */
  readonly nodes: Count;
  readonly brokers: Count;
  /** Stores: ranges lie in one or the other. */
  readonly databases: Count;
  /** GB that each message's traces take once they go as fast as they come: all replicas of topics, and tables. */
  readonly logGb: number;
  readonly tableGbMonth: number;
  /** GB a month. */
  readonly crossZoneGb: number;
  readonly internetGb: number;
  readonly dollarsMonth: number;
  readonly dollarsMillion: number;
}

interface Count {
  readonly count: number;
  readonly instance: Instance;
}

export const services = ['gateway', 'coordinator', 'sender', 'crypto', 'relay', 'billing'] as const;
type Service = (typeof services)[number];

/** How busy a processor may be when one zone carries everything. */
const busyMax = 0.7;
/** A service's JavaScript has one thread, and collectors and the kernel as much again as a quarter. */
const processorsPerPod = 1;
/** A node's own agents, and what a pod of another version needs during an upgrade. */
const nodeShare = 0.75;
const podsPerNodeMax = 20;
const hoursPerMonth = 730;
const secondsPerMonth = hoursPerMonth * 3_600;
/** Topics of ranges are kept 24 h past done, events as long (docs/protocols.md, 9.3); in three zones a record lies three times. */
const logHours = 24;
const logReplicas = 3;
/** Brokers that a three-zone MSK begins with. */
const brokersMin = 3;
/** 64 TiB: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html */
const databaseGbMax = (64 * 2 ** 40) / 1e9;
/** Between two parts in two zones every second byte crosses; brokers are in three, so two of three do. */
const crossing = { service: 1 / 2, kafka: 2 / 3 } as const;
/** Outside: devices and businesses. */
const outside = new Set(['handsets', 'driver', 'reader']);

export function sizeFor(perSecond: number, measured: Measured, prices: Prices): Size {
  const cost = costAt(perSecond, measured.costs);
  const podsOf = (part: Service): number =>
    Math.max(1, Math.ceil(processorsOf(perSecond, cost, part) / (busyMax * processorsPerPod)));
  const shards = Math.max(1, Math.ceil(perSecond / (cost.perShard * 2)));
  const pods = Object.fromEntries(
    services.map((service) => [service, service === 'sender' ? Math.max(podsOf(service), shards) : podsOf(service)]),
  ) as Record<Service, number>;
  const processors = services.reduce((sum, service) => sum + processorsOf(perSecond, cost, service), 0);
  const podCount = Object.values(pods).reduce((sum, count) => sum + count, 0);
  const nodes = nodesFor(Math.max(processors / (busyMax * nodeShare), 2), podCount, prices.node);
  const brokers = brokersFor(processorsOf(perSecond, cost, 'kafka') * logReplicas, prices.broker);

  const gb = (bytes: number, seconds: number): number => (bytes * perSecond * seconds) / 1e9;
  const logGb = gb((measured.kept['kafka log'] ?? 0) * logReplicas, logHours * 3_600);
  const tableGbMonth = gb(measured.kept['mariadb tables'] ?? 0, secondsPerMonth);
  const databases = databasesFor(processorsOf(perSecond, cost, 'mariadb') / busyMax, tableGbMonth, prices.database);
  const { crossZoneBytes, internetBytes } = bytesBetween(measured.traffic);
  const [crossZoneGb, internetGb] = [gb(crossZoneBytes, secondsPerMonth), gb(internetBytes, secondsPerMonth)];

  const hourly =
    prices.controlPlaneHour +
    2 * prices.loadBalancerHour +
    2 * nodes.count * nodes.instance.hour +
    // The witness of etcd, and one member beside each zone's nodes.
    3 * (prices.node[0]?.hour ?? 0) +
    brokers.count * brokers.instance.hour +
    databases.count * databases.instance.hour;
  const dollarsMonth =
    hourly * hoursPerMonth +
    2 * logGb * prices.brokerStorage +
    tableGbMonth * prices.databaseStorage +
    crossZoneGb * prices.crossZone +
    internetGb * prices.internet;
  return {
    perSecond,
    cost,
    pods,
    processors,
    nodes,
    brokers,
    databases,
    logGb,
    tableGbMonth,
    crossZoneGb,
    internetGb,
    dollarsMonth,
    dollarsMillion: (dollarsMonth / (perSecond * secondsPerMonth)) * 1e6,
  };
}

/** As many shards as keep each of them at a rate that was measured: the largest such rate that two shards do not exceed. */
function costAt(perSecond: number, costs: readonly CpuCost[]): CpuCost {
  const ascending = costs.toSorted((a, b) => a.perShard - b.perShard);
  const found = ascending.findLast(({ perShard }) => perShard * 2 <= perSecond) ?? ascending[0];
  if (found === undefined) throw new Error('no cost was measured: a bench has windows at a steady rate');
  return found;
}

function processorsOf(perSecond: number, { cpuUs }: CpuCost, part: string): number {
  return (perSecond * (cpuUs[part] ?? 0)) / 1e6;
}

function nodesFor(processors: number, pods: number, instances: readonly Instance[]): Count {
  // Two nodes in a zone at least, so that one can be emptied; as few and as large as eight of them need not be.
  const instance = instances.find((each) => each.processors * 8 >= processors) ?? last(instances);
  const count = Math.max(2, Math.ceil(processors / instance.processors), Math.ceil(pods / podsPerNodeMax));
  return { count, instance };
}

function brokersFor(processors: number, instances: readonly Instance[]): Count {
  const instance = instances.find((each) => each.processors * brokersMin * busyMax >= processors) ?? last(instances);
  const wanted = Math.ceil(processors / (instance.processors * busyMax));
  return { count: Math.max(brokersMin, Math.ceil(wanted / 3) * 3), instance };
}

/** As few as hold the tables and have the processors, as small as they may be. */
function databasesFor(processors: number, tableGb: number, instances: readonly Instance[]): Count {
  const largest = last(instances);
  const count = Math.max(1, Math.ceil(tableGb / databaseGbMax), Math.ceil(processors / largest.processors));
  const instance = instances.find((each) => each.processors * count >= processors) ?? largest;
  return { count, instance };
}

function bytesBetween(traffic: Readonly<Record<string, number>>): { crossZoneBytes: number; internetBytes: number } {
  let [crossZoneBytes, internetBytes] = [0, 0];
  for (const [between, bytes] of Object.entries(traffic)) {
    const [from = '', to = ''] = between.split(' > ');
    if (outside.has(to)) internetBytes += bytes;
    // What comes in from outside is not paid for, and enters the zone that it is for.
    else if (!outside.has(from))
      crossZoneBytes += bytes * (from === 'kafka' || to === 'kafka' ? crossing.kafka : crossing.service);
  }
  return { crossZoneBytes, internetBytes };
}

function last(instances: readonly Instance[]): Instance {
  const found = instances.at(-1);
  if (found === undefined) throw new Error('the price list has no instances');
  return found;
}
