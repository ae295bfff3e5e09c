/**
 * The operator of a simulated cluster: has ranges split, merged and moved under load, takes some of it back, and is
 * unlucky: processes die or stand still just as a reshape comes to a step.
 */
import type { Operation } from '@chappe/coordination/coordination';
import { pinPrefix } from '@chappe/ranges/pin';
import { parseRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { canBeUndone, formatReshape, isEnded, parseReshape, reshapePrefix, type Reshape } from '@chappe/ranges/reshape';
import { contactsOfAll } from './people.ts';
import type { Wish } from './plan.ts';
import type { Site } from './site.ts';
import type { Life } from './virtual-time.ts';

/** Does to a process what is done to one that is unlucky, and sees to it that it comes back. */
export type Strike = (kind: 'kill' | 'pause', machine: string, lastsMs: number) => void;

/** As long as an operator waits before thinking better of it. */
const cancelMsMax = 300;
const lastsMsMax = { kill: 3_000, pause: 9_000 } as const;

export class Operator {
  readonly #site: Site;
  readonly #life: Life;
  readonly #strike: Strike;
  readonly #seen = new Set<string>();
  #wishes = 0;

  constructor(site: Site, life: Life, strike: Strike) {
    this.#site = site;
    this.#life = life;
    this.#strike = strike;
    site.network.time.enter(life, () => {
      site.coordination.coordination.watch(reshapePrefix, () => void this.#look());
    });
  }

  /** Writes it down as a gateway does. Where there is nothing to choose from nothing happens. */
  async wish(wish: Wish): Promise<void> {
    const { coordination } = this.#site.coordination;
    const entries = await coordination.list(rangePrefix);
    const active = entries.entries.map(({ value }) => parseRange(value)).filter(({ state }) => state === 'active');
    const place = Math.floor(wish.choice * active.length);
    const range = active[place];
    if (range === undefined) return;
    if (wish.kind === 'move') {
      await this.#put(`moves ${range.id} to ${wish.shard}`, {
        kind: 'put',
        key: pinPrefix + range.id,
        value: wish.shard,
      });
      return;
    }
    const sorted = active.toSorted((a, b) => (a.start < b.start ? -1 : 1));
    const next = sorted.find(({ start }) => start === range.end);
    if (wish.kind === 'merge' && next === undefined) return;
    const old = wish.kind === 'merge' && next !== undefined ? [range, next] : [range];
    const isMoved = wish.kind === 'split' && wish.isToOtherStore;
    const cuts = wish.kind === 'merge' || isMoved ? [] : cutsOf(range);
    this.#wishes += 1;
    const reshape: Reshape = {
      id: `wish-${this.#wishes}`,
      step: 'requested',
      old: old.map(({ id }) => id),
      ...(cuts === undefined ? {} : { cuts }),
      ...(isMoved ? { store: range.store === 'main' ? 'second' : 'main' } : {}),
      made: [],
      ends: {},
      reason: 'a simulation',
      sinceMs: Date.now(),
    };
    await this.#put(
      `wants ${reshape.id}: a ${isMoved ? 'move to the other store' : wish.kind} of ${reshape.old.join(' and ')}`,
      putOf(reshape),
    );
    if (wish.isTakenBack)
      this.#site.network.time.after(wish.choice * cancelMsMax, this.#life, () => void this.#takeBack(reshape.id));
  }

  /** Reshapes that have not come to their end. */
  async unfinished(): Promise<readonly Reshape[]> {
    const { entries } = await this.#site.coordination.coordination.list(reshapePrefix);
    return entries.map(({ value }) => parseReshape(value)).filter((reshape) => !isEnded(reshape));
  }

  async #takeBack(id: string): Promise<void> {
    const { coordination } = this.#site.coordination;
    const entry = await coordination.get(reshapePrefix + id);
    if (entry === undefined || !canBeUndone(parseReshape(entry.value))) return;
    const { key, modRevision } = entry;
    const reshape = { ...parseReshape(entry.value), isCancelled: true };
    this.#site.trace.say('operator', `takes ${id} back`);
    await coordination.transact([{ key, modRevision }], [putOf(reshape)]);
  }

  async #put(what: string, operation: Operation): Promise<void> {
    this.#site.trace.say('operator', what);
    await this.#site.coordination.coordination.transact([], [operation]);
  }

  /** Each step of each reshape is a chance to be unlucky. */
  async #look(): Promise<void> {
    const { trace, coordination } = this.#site;
    const { entries } = await coordination.coordination.list(reshapePrefix);
    for (const { value } of entries) {
      const reshape = parseReshape(value);
      const name = `${reshape.id} ${reshape.step}`;
      if (this.#seen.has(name)) continue;
      this.#seen.add(name);
      trace.say(
        'reshape',
        `${name}${reshape.made.length > 0 ? `, into ${reshape.made.join(' and ')}` : ''}${reshape.problem === undefined ? '' : `: ${reshape.problem}`}`,
      );
      await this.#strikeAt(reshape);
    }
  }

  async #strikeAt({ id, step, old, made }: Reshape): Promise<void> {
    const { network } = this.#site;
    for (const machine of await this.#involved([...old, ...made])) {
      for (const kind of ['kill', 'pause'] as const) {
        const place = `${kind} ${machine} as ${id} is ${step}`;
        if (!network.faults.happens(place, network.rates.atStep)) continue;
        this.#strike(kind, machine, lastsMsMax[kind] * network.faults.number(`${place}, lasts`));
      }
    }
  }

  /** Who leads, who owns the ranges, who appends to them. */
  async #involved(rangeIds: readonly string[]): Promise<Set<string>> {
    const { coordination } = this.#site.coordination;
    const leader = await coordination.get('leader');
    const { instance = '' } = JSON.parse(leader?.value ?? '{}') as { readonly instance?: string };
    const ranges = (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value));
    const owners = ranges.filter((range) => rangeIds.includes(range.id)).flatMap(({ owner }) => owner ?? []);
    const [leaderName = ''] = instance.split('#');
    return new Set([leaderName, ...owners, ...this.#site.gateways.keys(), ...this.#site.relays.keys()]);
  }
}

function putOf(reshape: Reshape): Operation {
  return { kind: 'put', key: reshapePrefix + reshape.id, value: formatReshape(reshape) };
}

/** Between two people, where there are two in it; else where the coordinator wants. */
function cutsOf({ start, end }: Range): string[] | undefined {
  const within = [...contactsOfAll].filter((contact) => contact > start && contact < end);
  const last = within.toSorted().at(-1);
  return last === undefined ? undefined : [last];
}
