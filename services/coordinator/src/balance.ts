/**
 * Which ranges should go to other shards, so that each zone has its share of the load by the capacity of its shards, and
 * each shard its share of its zone. Pure.
 *
 * One measure for loaded and for quiet clusters: what a place has to do, a small cost for each range in it, by capacity.
 * A move goes from a fuller place to one that is emptier by more than a margin, zones first. The fullest of the two must
 * be relieved by a good part of what is moved, and no shard becomes fuller than the fullest one is. So each move lowers
 * the most loaded place that it touches, moves come to an end, and a range would have to lose half of its load before
 * the way back were as good. The most relief comes first.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { DecisionSettings } from './decision-settings.ts';
import { idleRangeCost, moveGainMin } from './limits.ts';

export interface Move {
  readonly range: Range;
  readonly shard: ShardInfo;
  /** Commands a second that go along. */
  readonly load: number;
  readonly why: string;
}

/** Parts of what the fuller place has to do and of what it can do, of which the larger one counts. */
export interface Margin {
  readonly ofLoad: number;
  readonly ofCapacity: number;
}

/** What is not done, and why, in words. */
export interface Held {
  /** Of which range, shard or zone, or of what. */
  readonly what: string;
  readonly why: string;
}

/** A range where it is. */
export interface Tenant {
  readonly range: Range;
  /** Commands a second. */
  readonly load: number;
  /** What it weighs: its load, and what a range costs without any. */
  readonly cost: number;
  /** When it was moved for balance: it goes on only to shards that have joined since. Absent: anywhere. */
  readonly restsSinceMs?: number;
}

/** What has ranges: a shard that stays, or a zone of those. */
export interface Place {
  readonly id: string;
  readonly capacity: number;
  load: number;
  cost: number;
  count: number;
}

export interface Seat extends Place {
  readonly shard: ShardInfo;
  readonly zone: Zone;
  /** On the clock of `restsSinceMs`. */
  readonly joinedAtMs: number;
  /** Those of its ranges that may be moved. */
  readonly movable: Tenant[];
}

export interface Zone extends Place {
  readonly seats: Seat[];
}

/** Sums of fractions differ by this much from themselves. */
const rounding = 1e-9;

/**
 * The shards that stay, by zone, without ranges.
 *
 * @param joinedAtMs when a shard was there first, by id; absent: it was always there
 */
export function placesOf(
  shards: readonly ShardInfo[],
  joinedAtMs: ReadonlyMap<string, number> = new Map(),
): { zones: Zone[]; seats: ReadonlyMap<string, Seat> } {
  const staying = shards.filter(({ isLeaving }) => isLeaving !== true);
  const seats = new Map<string, Seat>();
  const zones = [...Map.groupBy(staying, ({ zone }) => zone)].map(([id, inZone]) => {
    const capacity = inZone.reduce((sum, shard) => sum + capacityOf(shard), 0);
    const zone: Zone = { id, capacity, load: 0, cost: 0, count: 0, seats: [] };
    for (const shard of inZone) {
      const place = { id: shard.id, capacity: capacityOf(shard), load: 0, cost: 0, count: 0 };
      const seat = { ...place, shard, zone, joinedAtMs: joinedAtMs.get(shard.id) ?? -Infinity, movable: [] };
      zone.seats.push(seat);
      seats.set(shard.id, seat);
    }
    return zone;
  });
  return { zones, seats };
}

function capacityOf({ capacity }: ShardInfo): number {
  return Math.max(1, capacity);
}

/** @param sign -1: it leaves */
export function count(seat: Seat | undefined, { load, cost }: Tenant, sign: 1 | -1 = 1): void {
  if (seat === undefined) return;
  for (const place of [seat, seat.zone]) {
    place.load += sign * load;
    place.cost += sign * cost;
    place.count += sign;
  }
}

/** Where one more of this weight would be the least for the capacity; of equals the one whose id is less. */
export function emptiest<P extends Place>(places: readonly P[], cost: number): P | undefined {
  let best: P | undefined;
  let [least, below, above] = [Infinity, Infinity, Infinity];
  for (const place of places) {
    const value = (place.cost + cost) / place.capacity;
    if (value > above || (value >= below && place.id > (best?.id ?? ''))) continue;
    best = place;
    least = Math.min(least, value);
    [below, above] = [least * (1 - rounding), least * (1 + rounding)];
  }
  return best;
}

/**
 * @param zones with what they have; it is changed as if the moves were done
 * @param margin how far a place may be fuller than another
 */
export function balance(
  zones: readonly Zone[],
  { margin, movesMax }: { readonly margin: Margin; readonly movesMax: number },
): { readonly moves: readonly Move[]; readonly held: readonly Held[] } {
  const moves: Move[] = [];
  while (moves.length < movesMax) {
    const found = moveBetweenZones(zones, margin) ?? moveWithinAZone(zones, margin);
    if (found === undefined) break;
    const { tenant, from, to } = found;
    moves.push({ range: tenant.range, shard: to.shard, load: tenant.load, why: found.why });
    count(from, tenant, -1);
    count(to, tenant);
    from.movable.splice(from.movable.indexOf(tenant), 1);
  }
  return { moves, held: moves.length === movesMax ? [] : zones.flatMap((zone) => whatStays(zone, margin)) };
}

interface Candidate {
  readonly tenant: Tenant;
  readonly from: Seat;
  readonly to: Seat;
  /** By how much the fullest of both places is relieved, as a part of capacity. */
  readonly gain: number;
  readonly why: string;
}

function moveBetweenZones(zones: readonly Zone[], margin: Margin): Candidate | undefined {
  const sorted = fullestFirst(zones);
  for (const from of sorted) {
    for (const to of sorted.toReversed()) {
      if (!isFuller(from, to, margin)) break;
      const highest = Math.max(...zones.flatMap(({ seats }) => seats.map(fullness)));
      const takers = emptiestOfEachCapacity(to.seats);
      for (const seat of descending(from.seats)) {
        const best = bestOf(seat, takers, (tenant, taker) =>
          (taker.cost + tenant.cost) / taker.capacity > highest * (1 + rounding) ? 0 : gainOf(from, to, tenant),
        );
        if (best === undefined) continue;
        const [before, after] = [percent(from), percent(to)];
        return { ...best, why: `zone ${from.id || '?'} is at ${before}, zone ${to.id || '?'} at ${after}` };
      }
    }
  }
  return undefined;
}

function moveWithinAZone(zones: readonly Zone[], margin: Margin): Candidate | undefined {
  let best: Candidate | undefined;
  for (const zone of zones) {
    const found = moveWithin(zone, margin);
    if (found !== undefined && (best === undefined || found.gain > best.gain)) best = found;
  }
  return best;
}

/** From the fullest shard that has something to give. */
function moveWithin({ seats }: Zone, margin: Margin): Candidate | undefined {
  const takers = emptiestOfEachCapacity(seats);
  for (const from of descending(seats)) {
    const emptier = takers.filter((to) => isFuller(from, to, margin));
    if (emptier.length === 0) continue;
    const best = bestOf(from, emptier, (tenant, to) => gainOf(from, to, tenant));
    if (best !== undefined)
      return { ...best, why: `${from.id} is at ${percent(from)}, ${best.to.id} at ${percent(best.to)}` };
  }
  return undefined;
}

function bestOf(
  from: Seat,
  takers: readonly Seat[],
  gain: (tenant: Tenant, to: Seat) => number,
): Omit<Candidate, 'why'> | undefined {
  let best: Omit<Candidate, 'why'> | undefined;
  for (const tenant of from.movable) {
    for (const to of takers) {
      if (tenant.restsSinceMs !== undefined && tenant.restsSinceMs >= to.joinedAtMs) continue;
      const found = gain(tenant, to);
      // Of equals the last one: those that were made first stay where they are.
      if (found > 0 && (best === undefined || found >= best.gain)) best = { tenant, from, to, gain: found };
    }
  }
  return best;
}

/** How much less the fuller of both has afterwards, as a part of capacity; 0: not enough for what is moved. */
function gainOf(from: Place, to: Place, { cost, load }: Tenant): number {
  // Where there is load, ranges without any relieve nobody.
  if (load < idleRangeCost && from.load > from.count * idleRangeCost) return 0;
  const [before, left] = [fullness(from), (from.cost - cost) / from.capacity];
  const gain = before - Math.max(left, (to.cost + cost) / to.capacity);
  return gain > (moveGainMin * load) / from.capacity && gain > before * rounding ? gain : 0;
}

/** By more than a part of its load, and than a part of its capacity if it has so much load. */
function isFuller(from: Place, to: Place, { ofLoad, ofCapacity }: Margin): boolean {
  const margin = Math.max(ofLoad * from.load, Math.min(from.load, ofCapacity * from.capacity));
  return fullness(from) - fullness(to) > margin / from.capacity + rounding * fullness(from);
}

/** Shards that are far fuller than another of their zone and have nothing to give that would make it better. */
function whatStays(zone: Zone, margin: Margin): Held[] {
  const [from] = fullestFirst(zone.seats);
  const to = emptiest(zone.seats, 0);
  if (from === undefined || to === undefined || from.load < from.capacity / 10 || !isFuller(from, to, margin))
    return [];
  const most = from.movable.toSorted((a, b) => b.load - a.load)[0];
  const reason =
    most === undefined
      ? 'none of its ranges may be moved now'
      : `each of its ranges would make the next one as full; the largest is ${most.range.id} with ${Math.round(most.load)} a second`;
  return [{ what: from.id, why: `it is at ${percent(from)}, ${to.id} at ${percent(to)}, but ${reason}` }];
}

/** Of shards that take the same the one that has the least is the best to give to. */
function emptiestOfEachCapacity(seats: readonly Seat[]): Seat[] {
  const best = new Map<number, Seat>();
  for (const seat of seats) {
    const known = best.get(seat.capacity);
    if (known === undefined || isBefore(seat, known, seat.cost, known.cost)) best.set(seat.capacity, seat);
  }
  return [...best.values()];
}

/** By the lower number; of equals by id. */
function isBefore({ id }: Place, other: Place, own: number, others: number): boolean {
  const slack = rounding * Math.abs(others);
  return own < others - slack || (own <= others + slack && id < other.id);
}

/** The fullest first; mostly that is the one that gives, and the others need no order. */
function* descending<P extends Place>(places: readonly P[]): Generator<P> {
  const first = places.reduce<P | undefined>(
    (best, place) => (best === undefined || isBefore(place, best, -fullness(place), -fullness(best)) ? place : best),
    undefined,
  );
  if (first === undefined) return;
  yield first;
  for (const place of fullestFirst(places)) if (place !== first) yield place;
}

function fullestFirst<P extends Place>(places: readonly P[]): P[] {
  return places.toSorted((a, b) => {
    const difference = fullness(b) - fullness(a);
    if (Math.abs(difference) > rounding * fullness(a)) return difference;
    return a.id < b.id ? -1 : 1;
  });
}

/** What it has for what it takes. */
export function fullness({ cost, capacity }: Place): number {
  return cost / capacity;
}

/** Without load by what the ranges cost: e.g. `3 ranges`. */
function percent({ load, capacity, count: ranges }: Place): string {
  return load < 1 ? `${ranges} ranges` : `${((100 * load) / capacity).toFixed(1)} %`;
}

/** What may be on its way at once. */
export function moveBudget(
  rangeCount: number,
  load: number,
  { movesShareMax }: Pick<DecisionSettings, 'movesShareMax'>,
): { readonly ranges: number; readonly load: number } {
  return { ranges: Math.max(1, Math.floor(rangeCount * movesShareMax)), load: load * movesShareMax };
}
