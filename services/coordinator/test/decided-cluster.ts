/**
 * A cluster under a load by country, as the decisions by load see it: shards that report how far they have come, moves
 * and reshapes that take some seconds. Time goes in steps of five seconds. What decides is the coordinator's own.
 */
import type { Range } from '@chappe/ranges/range';
import type { Reshape } from '@chappe/ranges/reshape';
import { recut } from '@chappe/ranges/routing-table';
import type { RangeLoad, ShardInfo } from '@chappe/ranges/shard-info';
import { decideShape } from '../src/decide-shape.ts';
import { usualDecisions } from '../src/decision-settings.ts';
import { initialRanges } from '../src/initial-ranges.ts';
import { planAssignments } from '../src/plan.ts';
import { noLoads, noteLoads, type RangeLoads } from '../src/range-loads.ts';

export const stepMs = 5_000;

export interface Decided {
  readonly ms: number;
  readonly kind: 'split' | 'merge' | 'move';
  readonly old: readonly string[];
  readonly made: readonly string[];
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

export interface ShardSpec {
  readonly id: string;
  readonly zone: string;
}

const contactsOfACountry = 300;
const capacity = 1_500;

export class DecidedCluster {
  readonly decided: Decided[] = [];
  readonly #shards: readonly ShardSpec[];
  readonly #contacts: readonly { readonly digits: string; readonly country: number; readonly share: number }[];
  readonly #rangesLeast: number;
  /** By range: the shares of each country that it has. */
  readonly #shares = new Map<string, readonly number[]>();
  readonly #offsets = new Map<string, number>();
  readonly #movedAtMs = new Map<string, number>();
  #ranges: Range[];
  #reshapes: Reshape[] = [];
  #onTheWay = new Set<string>();
  #loads: RangeLoads = noLoads;
  #rates: readonly number[] = [];
  #made: number;
  #chance = 1;

  constructor(prefixes: readonly string[], bounds: readonly string[], shards: readonly ShardSpec[]) {
    this.#shards = shards;
    this.#contacts = prefixes.flatMap((prefix, country) => {
      // A few people get far more than the others.
      const weights = Array.from({ length: contactsOfACountry }, (_, index) => 1 / Math.sqrt(1 + ((index * 37) % 300)));
      const sum = weights.reduce((total, each) => total + each, 0);
      return weights.map((weight, index) => {
        const rest = String(Math.floor((index * 10_000_000) / contactsOfACountry)).padStart(7, '0');
        return { digits: prefix + rest, country, share: weight / sum };
      });
    });
    this.#ranges = initialRanges(bounds, 'main');
    this.#rangesLeast = this.#ranges.length;
    this.#made = this.#ranges.length;
  }

  get rangeCount(): number {
    return this.#ranges.filter(({ state }) => state !== 'draining').length;
  }

  /** Of each shard, what it gets to do as a part of its capacity. */
  fullness(): number[] {
    return this.#shards.map(({ id }) => {
      const own = this.#ranges.filter(({ owner, state }) => owner === id && state !== 'draining');
      return own.reduce((sum, range) => sum + this.#rateOf(range), 0) / capacity;
    });
  }

  /** @param rates commands a second of each country */
  step(ms: number, rates: readonly number[]): void {
    this.#rates = rates;
    this.#bringReshapesForward(ms);
    for (const range of this.#ranges) {
      if (range.state === 'draining') continue;
      const noise = 0.8 + 0.4 * this.#random();
      const come = (this.#rateOf(range) * noise * stepMs) / 1000;
      this.#offsets.set(range.id, (this.#offsets.get(range.id) ?? 0) + come);
    }
    const shards = this.#report();
    this.#onTheWay = new Set();
    this.#loads = noteLoads(this.#loads, this.#ranges, shards, ms, usualDecisions);
    const settings = usualDecisions;
    for (const [id, movedMs] of this.#movedAtMs) if (ms - movedMs >= settings.moveRestMs) this.#movedAtMs.delete(id);
    const common = { loads: this.#loads, pins: new Map<string, string>(), settings };
    const reshaped = new Set(
      this.#reshapes.filter(({ step }) => step !== 'active').flatMap(({ old, made }) => [...old, ...made]),
    );
    const { assignments, moves } = planAssignments(this.#ranges, shards, new Set(), {
      ...common,
      reshaped,
      movedAtMs: this.#movedAtMs,
    });
    for (const { range, shard } of assignments) {
      this.#ranges = this.#ranges.map((one) =>
        one.id === range.id ? { ...one, owner: shard.id, ownerInstance: shard.instance } : one,
      );
      this.#onTheWay.add(range.id);
    }
    for (const { range, shard, why } of moves) {
      this.#movedAtMs.set(range.id, ms);
      const [from, to] = [range.owner ?? '', shard.id];
      this.decided.push({ ms, kind: 'move', old: [range.id], made: [range.id], from, to, why });
    }
    const view = { ...common, ranges: this.#ranges, shards, reshapes: this.#reshapes, rangesLeast: this.#rangesLeast };
    for (const { kind, ranges: old, cuts, why } of decideShape({ ...view, nowMs: ms }).actions) {
      const made = [...cuts, ''].map(() => `r${(this.#made += 1)}`);
      this.#reshapes.push({
        id: `${kind}-${ms}`,
        step: 'requested',
        old,
        cuts,
        made,
        ends: {},
        reason: why,
        sinceMs: ms,
      });
      this.decided.push({ ms, kind, old, made, from: '', to: '', why });
    }
  }

  /** Requested ones are open a step later, and done another one later. */
  #bringReshapesForward(ms: number): void {
    this.#reshapes = this.#reshapes.map((reshape): Reshape => {
      const { step, old, made, cuts = [] } = reshape;
      const replaced = this.#ranges.filter(({ id }) => old.includes(id));
      if (step === 'requested') {
        this.#ranges = [
          ...this.#ranges.map((range): Range => (old.includes(range.id) ? { ...range, state: 'draining' } : range)),
          ...recut(replaced, cuts, made),
        ];
        return { ...reshape, step: 'open', sinceMs: ms };
      }
      if (step !== 'open') return reshape;
      this.#ranges = this.#ranges
        .filter(({ id }) => !old.includes(id))
        .map((range): Range => (made.includes(range.id) ? { ...range, state: 'active' } : range));
      return { ...reshape, step: 'active', sinceMs: ms };
    });
  }

  #report(): ShardInfo[] {
    return this.#shards.map(({ id, zone }) => {
      const own = this.#ranges.filter((range) => range.owner === id && !this.#onTheWay.has(range.id));
      const load = Object.fromEntries(own.map((range) => [range.id, this.#loadOf(range)]));
      const rate = own.reduce((sum, range) => sum + this.#rateOf(range), 0);
      return { id, instance: 'i', address: '', zone, capacity, ranges: own.length, rate, attachedDevices: 0, load };
    });
  }

  #loadOf(range: Range): RangeLoad {
    const rate = this.#rateOf(range);
    // It is asked for where there is something to split.
    const median = rate < capacity / 4 ? undefined : this.#medianOf(range);
    const nextOffset = Math.floor(this.#offsets.get(range.id) ?? 0);
    return { nextOffset, rate, ...(median === undefined ? {} : { median }) };
  }

  #rateOf({ id, start, end, state }: Range): number {
    if (state === 'draining') return 0;
    const shares =
      this.#shares.get(id) ??
      this.#rates.map((_, country) =>
        this.#contacts
          .filter((one) => one.country === country && one.digits >= start && one.digits < end)
          .reduce((sum, { share }) => sum + share, 0),
      );
    this.#shares.set(id, shares);
    return shares.reduce((sum, share, country) => sum + share * (this.#rates[country] ?? 0), 0);
  }

  /** As a worker finds it: the shortest digits that leave a fourth at least below, up to the middle contact. */
  #medianOf({ start, end }: Range): string | undefined {
    const within = this.#contacts
      .filter(({ digits }) => digits >= start && digits < end)
      .map(({ digits, country, share }) => ({ digits, weight: share * (this.#rates[country] ?? 0) }))
      .toSorted((a, b) => (a.digits < b.digits ? -1 : 1));
    const total = within.reduce((sum, { weight }) => sum + weight, 0);
    let reached = 0;
    const middle = within.find(({ weight }) => (reached += weight) >= total / 2)?.digits ?? '';
    const lengths = Array.from({ length: middle.length }, (_, index) => middle.slice(0, index + 1));
    const below = (bound: string): number =>
      within.reduce((sum, { digits, weight }) => sum + (digits < bound ? weight : 0), 0);
    return lengths.find((bound) => below(bound) >= total / 4);
  }

  /** The same each time. */
  #random(): number {
    this.#chance = (this.#chance * 48_271) % 2_147_483_647;
    return this.#chance / 2_147_483_647;
  }
}
