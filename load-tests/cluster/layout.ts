/**
 * The processes of the local cluster: two zones (a label here), replicas of every service, ports of their own.
 *
 * The admin port of a process is 1,000 above the first of its ports.
 */
import { fileURLToPath } from 'node:url';
import { onLoopback } from '../stack/places.ts';
import type { Places } from '../stack/places.ts';

export type Zone = 'a' | 'b';

export interface Member {
  /** E.g. `sender-a1`; the shard's name of a sender. */
  readonly name: string;
  readonly service: 'gateway' | 'coordinator' | 'sender' | 'crypto' | 'relay' | 'billing';
  readonly zone: Zone;
  readonly port: number;
  /** Of a relay: where it serves prekeys. */
  readonly internalPort?: number;
}

const full: readonly Member[] = [
  { name: 'coordinator-a', service: 'coordinator', zone: 'a', port: 21_021 },
  { name: 'coordinator-b', service: 'coordinator', zone: 'b', port: 21_022 },
  { name: 'crypto-a', service: 'crypto', zone: 'a', port: 21_041 },
  { name: 'crypto-b', service: 'crypto', zone: 'b', port: 21_042 },
  { name: 'billing-a', service: 'billing', zone: 'a', port: 21_061 },
  { name: 'billing-b', service: 'billing', zone: 'b', port: 21_062 },
  { name: 'relay-a', service: 'relay', zone: 'a', port: 21_051, internalPort: 21_053 },
  { name: 'relay-b', service: 'relay', zone: 'b', port: 21_052, internalPort: 21_054 },
  { name: 'sender-a1', service: 'sender', zone: 'a', port: 21_031 },
  { name: 'sender-a2', service: 'sender', zone: 'a', port: 21_032 },
  { name: 'sender-b1', service: 'sender', zone: 'b', port: 21_033 },
  { name: 'sender-b2', service: 'sender', zone: 'b', port: 21_034 },
  { name: 'gateway-a', service: 'gateway', zone: 'a', port: 21_011 },
  { name: 'gateway-b', service: 'gateway', zone: 'b', port: 21_012 },
];

/** One process for each service: on few cores more of them only take turns. */
const small = new Set(['coordinator-a', 'crypto-a', 'billing-a', 'relay-a', 'gateway-a']);
const firstSenderPort = 21_101;

/** A load test chooses: `CHAPPE_CLUSTER_SHAPE` is `full`, unless set to `small`; then there are `CHAPPE_CLUSTER_SENDERS`. */
export const members: readonly Member[] =
  process.env['CHAPPE_CLUSTER_SHAPE'] === 'small'
    ? [...full.filter(({ name }) => small.has(name)), ...senders(Number(process.env['CHAPPE_CLUSTER_SENDERS'] ?? 2))]
    : full;

/** In both zones by turns. */
function senders(count: number): Member[] {
  return Array.from({ length: count }, (_, index) => {
    const zone = index % 2 === 0 ? 'a' : 'b';
    const name = `sender-${zone}${Math.trunc(index / 2) + 1}`;
    return { name, service: 'sender', zone, port: firstSenderPort + index };
  });
}

/** 16 ranges, cut where the people of the examples live. */
const examplesBounds = [
  ['12', '13', '2', '3'],
  ['3319900', '33199001004', '33199002', '332'],
  ['4', '4420794601', '4420794602', '46'],
  ['49', '4930', '5'],
]
  .flat()
  .join(',');

/** Other people, other ranges. */
export const initialBounds = process.env['CHAPPE_CLUSTER_BOUNDS'] ?? examplesBounds;

/**
 * Logs, process records, keys; git ignores it. The commands of `chappe` take it as `--data`.
 * Fault runs have a cluster of their own, in a folder of their own.
 */
export const dataFolder = process.env['CHAPPE_CLUSTER_DATA'] ?? fileURLToPath(new URL('.data', import.meta.url));

export function adminPortOf({ port }: Member): number {
  return port + 1_000;
}

/** `host:port` of every process of a service, with commas between. */
export function addressesOf(service: Member['service'], places: Places = onLoopback): string {
  return listOf(service, places, ({ port }) => port);
}

export function preKeyAddresses(places: Places = onLoopback): string {
  return listOf('relay', places, ({ internalPort, port }) => internalPort ?? port);
}

function listOf(service: Member['service'], places: Places, portOf: (member: Member) => number): string {
  return members
    .filter((member) => member.service === service)
    .map((member) => `${places[member.zone].host}:${portOf(member)}`)
    .join(',');
}
