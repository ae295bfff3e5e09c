/**
 * Which shard should work on which range: a pure function of what is there.
 *
 * A range without a living owner, or whose owner is leaving, goes to its former shard if that is back;
 * else to a zone and to a shard in it. Both choices follow one rule, that of highest averages
 * (D'Hondt, 1882): the next one goes where one more would still be the least for the capacity. So each
 * zone has its share by the capacity of its shards that stay, and each shard its share of its zone.
 *
 * Otherwise at most one range is moved, and only when nothing else is on the way. It is moved if the place that
 * gets it then has less for its capacity than the place that gives it had: the most loaded place
 * becomes less loaded, so moves come to an end and nothing goes back and forth. Measured load only
 * decides between shards that are equal by count. A range that stopped until a person has looked stays where
 * that is known. A range that the operator wants on a shard goes there, and stays as long as that shard does.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

export interface Assignment {
  readonly range: Range;
  readonly shard: ShardInfo;
  /** In words, for the journal and for who asks. */
  readonly why: string;
}

/** What has ranges: a shard, or a zone of shards. */
interface Place {
  readonly id: string;
  readonly capacity: number;
  /** Commands a second, as measured. */
  readonly rate: number;
  count: number;
}

interface Seat extends Place {
  readonly shard: ShardInfo;
  readonly zone: Zone;
}

interface Zone extends Place {
  readonly seats: Seat[];
}

/**
 * @param shards those that are alive, with those whose silence is not yet proof of death left out
 * @param missing ids of shards that are silent but not yet given up: their ranges wait for them
 */
export function planAssignments(
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  missing: ReadonlySet<string>,
  pins: ReadonlyMap<string, string> = new Map(),
): Assignment[] {
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  const { zones, seats } = placesOf(shards);
  const orphans: Range[] = [];
  const settled: Range[] = [];
  for (const range of ranges) {
    if (range.state === 'sealed') continue;
    const owner = range.owner === undefined ? undefined : alive.get(range.owner);
    // A shard that leaves keeps its ranges only as long as there is nobody else.
    const isKept = owner?.isLeaving !== true || seats.size === 0;
    if (owner !== undefined && owner.instance === range.ownerInstance && isKept) {
      // What is replaced is about to go, and what replaces it counts already.
      if (range.state !== 'draining') count(seats.get(owner.id));
      settled.push(range);
    } else if (range.owner === undefined || owner !== undefined || !missing.has(range.owner)) {
      orphans.push(range);
    }
  }
  if (orphans.length === 0) {
    const isOnTheWay = ({ id, owner, state }: Range): boolean =>
      state === 'active' && alive.get(owner ?? '')?.load[id] === undefined;
    // The share of a zone whose shard may be back at once is not known.
    const wanted = settled.flatMap((range) => {
      const seat = seats.get(pins.get(range.id) ?? '');
      const isThere = seat === undefined || seat.id === range.owner || range.state !== 'active';
      return isThere ? [] : [{ range, shard: seat.shard, why: 'the operator wants it there' }];
    });
    if (wanted.length > 0) return wanted;
    const free = settled.filter(({ id }) => !seats.has(pins.get(id) ?? ''));
    return missing.size > 0 || settled.some(isOnTheWay) ? [] : balance(free, zones);
  }
  return orphans.flatMap((range) => {
    // A restarted shard gets its ranges back: its successors would have to give them up again.
    const former = range.owner === undefined ? undefined : seats.get(range.owner);
    const seat = seats.get(pins.get(range.id) ?? '') ?? former ?? emptiest(emptiest(zones)?.seats ?? []);
    if (seat === undefined) return [];
    count(seat);
    return [{ range, shard: seat.shard, why: whyOrphan(range, seat.id, alive) }];
  });
}

function whyOrphan({ owner }: Range, to: string, alive: ReadonlyMap<string, ShardInfo>): string {
  if (owner === undefined) return 'nobody has it';
  if (owner === to) return `${owner} has started anew`;
  return alive.has(owner) ? `${owner} gives its ranges up` : `${owner} is gone`;
}

/** The shards that stay, by zone. */
function placesOf(shards: readonly ShardInfo[]): { zones: Zone[]; seats: ReadonlyMap<string, Seat> } {
  const staying = shards.filter(({ isLeaving }) => isLeaving !== true);
  const seats = new Map<string, Seat>();
  const zones = [...Map.groupBy(staying, ({ zone }) => zone)].map(([id, inZone]) => {
    const sum = (of: (shard: ShardInfo) => number): number => inZone.reduce((total, shard) => total + of(shard), 0);
    const zone: Zone = { id, capacity: sum(capacityOf), rate: sum(({ rate }) => rate), count: 0, seats: [] };
    for (const shard of inZone) {
      const seat = { id: shard.id, capacity: capacityOf(shard), rate: shard.rate, count: 0, shard, zone };
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

function count(seat: Seat | undefined): void {
  if (seat === undefined) return;
  seat.count += 1;
  seat.zone.count += 1;
}

/** One range from the fullest zone to the emptiest, else from the fullest shard to the emptiest of one zone. */
function balance(settled: readonly Range[], zones: readonly Zone[]): Assignment[] {
  const between = (from: Seat | undefined, to: Seat | undefined): Assignment[] => {
    const range = settled.findLast(
      ({ id, owner, state }) => owner === from?.id && state === 'active' && from?.shard.load[id]?.isStopped !== true,
    );
    if (range === undefined || from === undefined || to === undefined) return [];
    const loads = `${from.count} ranges on ${from.id}, ${to.count} on ${to.id}`;
    return [{ range, shard: to.shard, why: `for balance: ${loads}` }];
  };
  const [from, to] = [fullest(zones), emptiest(zones)];
  if (isMoveBetter(from, to)) return between(fullest(from?.seats ?? []), emptiest(to?.seats ?? []));
  for (const zone of zones) {
    const [giving, taking] = [fullest(zone.seats), emptiest(zone.seats)];
    if (isMoveBetter(giving, taking)) return between(giving, taking);
  }
  return [];
}

/** Whether the most loaded becomes less loaded. Multiplied out: whole numbers have no rounding that could make both ways better. */
function isMoveBetter(from: Place | undefined, to: Place | undefined): boolean {
  return from !== undefined && to !== undefined && (to.count + 1) * from.capacity < from.count * to.capacity;
}

/** Where one more would be the least for the capacity; of equals the one that works least. */
function emptiest<P extends Place>(places: readonly P[]): P | undefined {
  return first(
    places,
    (a, b) => (a.count + 1) * b.capacity - (b.count + 1) * a.capacity || a.rate * b.capacity - b.rate * a.capacity,
  );
}

/** Which has the most for its capacity; of equals the one that works most. */
function fullest<P extends Place>(places: readonly P[]): P | undefined {
  return first(
    places,
    (a, b) => b.count * a.capacity - a.count * b.capacity || b.rate * a.capacity - a.rate * b.capacity,
  );
}

/** The least by `order`; of equals the one whose id is less, whatever order they come in. */
function first<P extends Place>(places: readonly P[], order: (a: P, b: P) => number): P | undefined {
  let best: P | undefined;
  for (const place of places) {
    const difference = best === undefined ? -1 : order(place, best) || (place.id < (best?.id ?? '') ? -1 : 1);
    if (difference < 0) best = place;
  }
  return best;
}
