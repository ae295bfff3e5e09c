/**
 * What is to be done next of a reshape: a pure function of its record, the routing table and what the shards say.
 * Whoever leads asks it again after every step, so that a successor goes on where a killed leader stopped.
 *
 * | step      | what is true                                                    | next                                   |
 * |-----------|-----------------------------------------------------------------|----------------------------------------|
 * | requested | nothing was done                                                | prepare, or refuse                     |
 * | prepared  | the new topics exist, the record has the new ids                | begin to seal; undo if cancelled       |
 * | sealing   | the old topics may be sealed: it goes on, whatever happens      | seal and open                          |
 * | open      | producers append to the new ranges, owners work off the old        | settle where the old topics end        |
 * |           | the record has those ends, and the owners of the old ranges know them | activate each new range that is worked on |
 * | active    | the old ranges are drained in the store                         | delete the old topics, after the margin |
 */
import { compareBounds } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { Leftover } from '@chappe/ranges/leftover';
import type { Reshape } from '@chappe/ranges/reshape';
import { recut } from '@chappe/ranges/routing-table';
import { whyNotReshaped } from '@chappe/ranges/why-not-reshaped';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { StoreInfo } from '@chappe/ranges/store-info';
import { endedReshapeMs, restoreMarginMs } from './limits.ts';
import { middleOf } from './middle.ts';

export interface ClusterView {
  readonly ranges: ReadonlyMap<string, Range>;
  readonly shards: ReadonlyMap<string, ShardInfo>;
  /** All that are not forgotten, this one too. */
  readonly reshapes: readonly Reshape[];
  readonly stores: ReadonlyMap<string, StoreInfo>;
  readonly leftovers: readonly Leftover[];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export type ReshapeAction =
  | { readonly kind: 'refuse'; readonly problem: string }
  /** Make the topics of so many new ranges, with ids that were never used. */
  | { readonly kind: 'prepare'; readonly old: readonly Range[]; readonly cuts: readonly string[] }
  /** No way back from here: a request to seal that nobody waits for any more may still arrive. So it is written down first. */
  | { readonly kind: 'begin' }
  /** The old topics take nothing more; then what `opened` says, in one transaction. Appends wait meanwhile. */
  | { readonly kind: 'seal'; readonly old: readonly Range[] }
  /** Ask the log where the old topics end; then what `settled` says. */
  | { readonly kind: 'settle'; readonly old: readonly Range[] }
  /** The new topics go. */
  | { readonly kind: 'undo'; readonly problem: string }
  /** New ranges that are worked on. If they are the last ones, the old ranges are closed as well. */
  | { readonly kind: 'activate'; readonly made: readonly Range[]; readonly close: readonly Range[] }
  /** The old topics go, and the record. */
  | { readonly kind: 'delete'; readonly old: readonly Range[] }
  | { readonly kind: 'forget' }
  | { readonly kind: 'wait'; readonly for: string };

export function nextAction(reshape: Reshape, view: ClusterView): ReshapeAction {
  const old = reshape.old.flatMap((id) => view.ranges.get(id) ?? []);
  switch (reshape.step) {
    case 'requested':
      return begin(reshape, old, view);
    case 'prepared':
      return reshape.isCancelled === true ? { kind: 'undo', problem: 'taken back by the operator' } : { kind: 'begin' };
    case 'sealing':
      return { kind: 'seal', old };
    case 'open':
      return isSettled(reshape) ? activate(reshape, old, view) : { kind: 'settle', old };
    case 'active':
      return isOlder(reshape, view, restoreMarginMs)
        ? { kind: 'delete', old }
        : { kind: 'wait', for: 'the old topics stay until nobody can want to restore them' };
    case 'refused':
    case 'undone':
      return isOlder(reshape, view, endedReshapeMs)
        ? { kind: 'forget' }
        : { kind: 'wait', for: 'nothing: it has ended' };
  }
}

function begin(reshape: Reshape, old: readonly Range[], view: ClusterView): ReshapeAction {
  if (reshape.isCancelled === true) return { kind: 'refuse', problem: 'taken back by the operator' };
  const why = whyNotReshaped(reshape, view);
  if (why !== undefined) return { kind: 'refuse', problem: why.problem };
  const [range] = old;
  const middle = reshape.cuts === undefined && range !== undefined ? middleOf(range, view.shards) : undefined;
  if (reshape.cuts === undefined && middle === undefined)
    return { kind: 'refuse', problem: `range ${reshape.old.join()} is one number and cannot be cut` };
  const sorted = old.toSorted((a, b) => compareBounds(a.start, b.start));
  return { kind: 'prepare', old: sorted, cuts: reshape.cuts ?? (middle === undefined ? [] : [middle]) };
}

/** Once the old topics are sealed: the old ranges are worked off, the new ones fill. */
export function opened(
  reshape: Reshape,
  old: readonly Range[],
  stores: ReadonlyMap<string, StoreInfo>,
): { readonly old: readonly Range[]; readonly made: readonly Range[] } {
  return {
    old: old.map((range) => ({ ...range, state: 'draining' })),
    made: recut(old, reshape.cuts ?? [], reshape.made, stores.get(reshape.store ?? '')),
  };
}

/** Once it is known where the old topics end: whoever reaches that has drained them. */
export function settled(old: readonly Range[], ends: Readonly<Record<string, number>>): readonly Range[] {
  return old.map((range) => {
    const sealedAt = ends[range.id];
    if (sealedAt === undefined) throw new Error(`nobody asked where ${range.topic} ends`);
    return { ...range, sealedAt };
  });
}

function isSettled({ old, ends }: Reshape): boolean {
  return old.every((id) => ends[id] !== undefined);
}

/** A new range is worked on once its owner reports how far it is: the claim has found the old ones drained. */
function activate(reshape: Reshape, old: readonly Range[], { ranges, shards }: ClusterView): ReshapeAction {
  const made = reshape.made.flatMap((id) => ranges.get(id) ?? []);
  const filling = made.filter(({ state }) => state === 'filling');
  const begun = filling.filter((range) => isWorkedOn(range, shards));
  const left = filling.filter((range) => !begun.includes(range));
  if (begun.length === 0 && left.length > 0)
    return {
      kind: 'wait',
      for: `${left.map(({ id }) => id).join(' and ')} to find ${reshape.old.join(' and ')} drained`,
    };
  return {
    kind: 'activate',
    made: begun.map(activated),
    close:
      left.length > 0
        ? []
        : old.map((range) => ({ ...range, state: 'sealed', owner: undefined, ownerInstance: undefined })),
  };
}

function activated(range: Range): Range {
  const { replaces: _replaces, copiesFrom: _copiesFrom, ...rest } = range;
  return { ...rest, state: 'active' };
}

function isWorkedOn({ id, owner, ownerInstance }: Range, shards: ReadonlyMap<string, ShardInfo>): boolean {
  const shard = shards.get(owner ?? '');
  const load = shard?.instance === ownerInstance ? shard?.load[id] : undefined;
  return load?.nextOffset !== undefined && load.waitsForReplaced !== true;
}

function isOlder({ sinceMs }: Reshape, { nowMs }: ClusterView, ms: number): boolean {
  return nowMs - sinceMs > ms;
}
