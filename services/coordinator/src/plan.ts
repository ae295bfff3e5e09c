/**
 * Which shard should work on which range: a pure function of what is there.
 *
 * A range without a living owner, or whose owner is leaving, goes to its former shard if that is back;
 * else to a zone and to a shard in it. Both choices follow one rule, that of highest averages
 * (D'Hondt, 1882): the next one goes where one more would still be the least for the capacity. So each
 * zone has its share by the capacity of its shards that stay, and each shard its share of its zone.
 *
 * Otherwise ranges are moved for balance (`balance.ts`), of all of them and of their load only a share at once, and none
 * while a shard is silent. A range that stopped until a person has looked stays where that is known. A range that the
 * operator wants on a shard goes there, and stays as long as that shard does.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import {
  balance,
  count,
  emptiest,
  moveBudget,
  placesOf,
  type Held,
  type Move,
  type Seat,
  type Tenant,
} from './balance.ts';
import { usualDecisions, type DecisionSettings } from './decision-settings.ts';
import { balanceSettleMs, movesToldMax } from './limits.ts';
import { costOf, noLoads, rateOf, type RangeLoads } from './range-loads.ts';

export interface Assignment {
  readonly range: Range;
  readonly shard: ShardInfo;
  /** In words, for the journal and for who asks. */
  readonly why: string;
}

/** What a plan goes by besides ranges and shards. */
export interface Circumstances {
  /** By range: the shard that the operator wants to have it. */
  readonly pins: ReadonlyMap<string, string>;
  readonly loads: RangeLoads;
  /** Ranges that are being split or merged. */
  readonly reshaped: ReadonlySet<string>;
  /** By range: when it was last moved for balance, on the clock of the loads. */
  readonly movedAtMs: ReadonlyMap<string, number>;
  /** By shard: when it was first seen, on the same clock. Absent: before everything else. */
  readonly joinedAtMs: ReadonlyMap<string, number>;
  readonly settings: DecisionSettings;
}

export interface Placement {
  /** To be done now. */
  readonly assignments: readonly Assignment[];
  /** Which of them are for balance. */
  readonly moves: readonly Move[];
  /** Moves for balance that would follow. */
  readonly later: readonly Move[];
  readonly held: readonly Held[];
}

const usual: Circumstances = {
  pins: new Map(),
  loads: noLoads,
  reshaped: new Set(),
  movedAtMs: new Map(),
  joinedAtMs: new Map(),
  settings: usualDecisions,
};

/**
 * @param shards those that are alive, with those whose silence is not yet proof of death left out
 * @param missing ids of shards that are silent but not yet given up: their ranges wait for them
 */
export function planAssignments(
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  missing: ReadonlySet<string>,
  circumstances: Partial<Circumstances> = {},
): Placement {
  const known: Circumstances = { ...usual, ...circumstances };
  const { pins, loads } = known;
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  const { zones, seats } = placesOf(shards, known.joinedAtMs);
  const orphans: Tenant[] = [];
  const settled: Tenant[] = [];
  for (const range of ranges) {
    if (range.state === 'sealed') continue;
    const tenant = { range, load: rateOf(loads, range.id), cost: costOf(loads, range.id) };
    const owner = range.owner === undefined ? undefined : alive.get(range.owner);
    // A shard that leaves keeps its ranges only as long as there is nobody else.
    const isKept = owner?.isLeaving !== true || seats.size === 0;
    if (owner !== undefined && owner.instance === range.ownerInstance && isKept) {
      // What is replaced is about to go, and what replaces it counts already.
      if (range.state !== 'draining') count(seats.get(owner.id), tenant);
      settled.push(tenant);
    } else if (range.owner === undefined || owner !== undefined || !missing.has(range.owner)) {
      orphans.push(tenant);
    }
  }
  if (orphans.length > 0) return only(adopt(orphans, { pins, alive, zones, seats }));
  const wanted = settled.flatMap(({ range }): Assignment[] => {
    const seat = seats.get(pins.get(range.id) ?? '');
    const isThere = seat === undefined || seat.id === range.owner || range.state !== 'active';
    return isThere ? [] : [{ range, shard: seat.shard, why: 'the operator wants it there' }];
  });
  if (wanted.length > 0) return only(wanted);
  // The share of a zone whose shard may be back at once is not known.
  if (missing.size > 0) return nothing('moves', `${[...missing].join(', ')} is silent and may be back`);
  if (isLoadUnknown(shards, known)) {
    const { averageMs } = known.settings;
    return nothing('moves', `who leads has not watched the load for ${averageMs / 1000} s yet`);
  }
  return forBalance(settled, alive, zones, seats, known);
}

function only(assignments: readonly Assignment[]): Placement {
  return { assignments, moves: [], later: [], held: [] };
}

function nothing(what: string, why: string): Placement {
  return { assignments: [], moves: [], later: [], held: [{ what, why }] };
}

/** Without any load there is nothing to be measured. */
function isLoadUnknown(shards: readonly ShardInfo[], { loads, settings }: Circumstances): boolean {
  const watchedMs = loads.sinceMs === undefined ? 0 : loads.atMs - loads.sinceMs;
  return watchedMs < settings.averageMs && shards.some(({ rate }) => rate > 0);
}

/** Each to a shard; the heaviest first, so that the light ones fill what is left. */
function adopt(
  orphans: readonly Tenant[],
  {
    pins,
    alive,
    zones,
    seats,
  }: Pick<Circumstances, 'pins'> & ReturnType<typeof placesOf> & { readonly alive: ReadonlyMap<string, ShardInfo> },
): Assignment[] {
  return orphans
    .toSorted((a, b) => b.cost - a.cost)
    .flatMap((tenant) => {
      const { range, cost } = tenant;
      // A restarted shard gets its ranges back: its successors would have to give them up again.
      const former = range.owner === undefined ? undefined : seats.get(range.owner);
      const seat = seats.get(pins.get(range.id) ?? '') ?? former ?? emptiest(emptiest(zones, cost)?.seats ?? [], cost);
      if (seat === undefined) return [];
      count(seat, tenant);
      return [{ range, shard: seat.shard, why: whyOrphan(range, seat.id, alive) }];
    });
}

function whyOrphan({ owner }: Range, to: string, alive: ReadonlyMap<string, ShardInfo>): string {
  if (owner === undefined) return 'nobody has it';
  if (owner === to) return `${owner} has started anew`;
  return alive.has(owner) ? `${owner} gives its ranges up` : `${owner} is gone`;
}

function forBalance(
  settled: readonly Tenant[],
  alive: ReadonlyMap<string, ShardInfo>,
  zones: ReturnType<typeof placesOf>['zones'],
  seats: ReadonlyMap<string, Seat>,
  { pins, loads, reshaped, movedAtMs, settings }: Circumstances,
): Placement {
  const onTheWay = settled.filter(
    ({ range }) => range.state === 'active' && alive.get(range.owner ?? '')?.load[range.id] === undefined,
  );
  const load = settled.reduce((sum, tenant) => sum + tenant.load, 0);
  const budget = moveBudget(settled.length, load, settings);
  const room = { ranges: budget.ranges - onTheWay.length, load: budget.load - sumOfLoads(onTheWay) };
  const held: Held[] = [];
  let resting = 0;
  for (const tenant of settled) {
    const { id, owner, state } = tenant.range;
    const seat = seats.get(owner ?? '');
    const ofOwner = seat?.shard.load[id];
    if (seat === undefined || state !== 'active' || ofOwner === undefined) continue;
    const movedMs = movedAtMs.get(id);
    const isResting = movedMs !== undefined && loads.atMs - movedMs < settings.moveRestMs;
    if (isResting) resting += 1;
    if (ofOwner.isStopped === true)
      held.push({ what: id, why: `it stopped until a person has looked, and stays on ${seat.id}` });
    else if (seats.has(pins.get(id) ?? '')) held.push({ what: id, why: `the operator wants it on ${seat.id}` });
    else if (reshaped.has(id)) held.push({ what: id, why: 'it is being split or merged' });
    else seat.movable.push(isResting ? { ...tenant, restsSinceMs: movedMs } : tenant);
  }
  if (resting > 0)
    held.push({
      what: 'moves',
      why: `${resting} ranges were moved within ${settings.moveRestMs / 60_000} min and stay`,
    });
  const lastMs = Math.max(-Infinity, ...movedAtMs.values());
  const isGoingOn = onTheWay.length > 0 || loads.atMs - lastMs < balanceSettleMs;
  const margin = isGoingOn ? settings.balanceMargins.goOn : settings.balanceMargins.begin;
  const found = balance(zones, { margin, movesMax: Math.max(0, room.ranges) + movesToldMax });
  const now = withinRoom(found.moves, room, onTheWay.length > 0);
  const later = found.moves.slice(now.length);
  if (later.length > 0)
    held.push({
      what: 'moves',
      why: `of ${settled.length} ranges ${budget.ranges} are moved at once, and of their load ${Math.round(budget.load)} a second`,
    });
  return {
    assignments: now.map(({ range, shard, why }) => ({ range, shard, why: `for balance: ${why}` })),
    moves: now,
    later,
    held: [...held, ...found.held],
  };
}

function sumOfLoads(of: readonly { readonly load: number }[]): number {
  return of.reduce((sum, { load }) => sum + load, 0);
}

/** One range is moved whatever it has, when nothing else is on the way. */
function withinRoom(
  moves: readonly Move[],
  room: { readonly ranges: number; readonly load: number },
  isAnyOnTheWay: boolean,
): Move[] {
  const now: Move[] = [];
  let load = 0;
  for (const move of moves) {
    load += move.load;
    const isFirst = now.length === 0 && !isAnyOnTheWay;
    if (now.length >= room.ranges || (load > room.load && !isFirst)) break;
    now.push(move);
  }
  return now;
}
