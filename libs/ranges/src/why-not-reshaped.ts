/** Whether ranges can be replaced now: asked by gateways, to say at once what is wrong, and again by the coordinator. */
import type { Leftover } from './leftover.ts';
import type { Range } from './range.ts';
import { isEnded, type Reshape } from './reshape.ts';
import { recut } from './routing-table.ts';
import type { StoreInfo } from './store-info.ts';

export interface WhyNot {
  /** It can be asked for again when something else has ended. */
  readonly passes: boolean;
  readonly problem: string;
}

/** Undefined: they can. */
export function whyNotReshaped(
  { id, old, cuts, store }: Pick<Reshape, 'old' | 'cuts' | 'store'> & { readonly id?: string },
  known: {
    readonly ranges: ReadonlyMap<string, Range>;
    readonly reshapes: readonly Reshape[];
    readonly stores: ReadonlyMap<string, StoreInfo>;
    readonly leftovers: readonly Leftover[];
  },
): WhyNot | undefined {
  const missing = old.filter((name) => !known.ranges.has(name));
  if (missing.length > 0) return { passes: false, problem: `there is no range ${missing.join(', ')}` };
  if (old.length === 0) return { passes: false, problem: 'no range is named' };
  if (new Set(old).size !== old.length) return { passes: false, problem: 'a range is named twice' };
  const going = known.reshapes.filter(
    (other) => other.id !== id && !isEnded(other) && isAhead(other, id, known.reshapes),
  );
  const busy = going.find((other) => [...other.old, ...other.made].some((name) => old.includes(name)));
  if (busy !== undefined) {
    return { passes: true, problem: `reshape ${busy.id} of ${busy.old.join(' and ')} has not ended (${busy.step})` };
  }
  const found = old.flatMap((name) => known.ranges.get(name) ?? []);
  const idle = found.find(({ state }) => state !== 'active');
  if (idle !== undefined) return { passes: false, problem: `range ${idle.id} is ${idle.state}, not active` };
  if (store !== undefined) return whyNotMoved(found, store, cuts, known);
  if (cuts === undefined && found.length !== 1)
    return { passes: false, problem: 'the middle of one range is meant, and several are named' };
  if (cuts?.length === 0 && found.length === 1)
    return { passes: false, problem: 'one range without a cut stays what it is: name two to merge, or where to cut' };
  try {
    recut(
      found,
      cuts ?? [],
      Array.from({ length: (cuts?.length ?? 0) + 1 }, () => 'new'),
    );
  } catch (error) {
    return { passes: false, problem: error instanceof Error ? error.message : 'unknown' };
  }
  return undefined;
}

/** To another store. What a range left behind in one would be taken for its own, if it came back before that is deleted. */
function whyNotMoved(
  found: readonly Range[],
  to: string,
  cuts: readonly string[] | undefined,
  { ranges, stores, leftovers }: Parameters<typeof whyNotReshaped>[1],
): WhyNot | undefined {
  const [range] = found;
  if (range === undefined || found.length > 1 || cuts?.length !== 0)
    return { passes: false, problem: 'one range at a time goes to another store, as it is' };
  if (!stores.has(to))
    return { passes: false, problem: `there is no store ${to}: \`chappe store add\` makes one known` };
  if (range.store === to) return { passes: false, problem: `range ${range.id} is in store ${to} already` };
  const former = [...ranges.values()].filter(({ state }) => state === 'sealed' || state === 'draining');
  const left = [...former, ...leftovers].some(
    ({ store, start, end }) => store === to && start < range.end && range.start < end,
  );
  if (!left) return undefined;
  return {
    passes: true,
    problem: `store ${to} still has former rows of these numbers, which are deleted a day after they were moved or cut`,
  };
}

/** Of two wishes that have not begun the earlier one counts; without an id, any. */
function isAhead(other: Reshape, id: string | undefined, reshapes: readonly Reshape[]): boolean {
  if (other.step !== 'requested' || id === undefined) return true;
  return reshapes.findIndex((one) => one.id === other.id) < reshapes.findIndex((one) => one.id === id);
}
