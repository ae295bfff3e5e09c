/**
 * Does what operators want done to stores (docs/protocols.md, 9.1), beside the other loops of whoever leads.
 *
 * A wish rests under `store-changes/<id>`, so a successor goes on with it; every step can be done again. What is written to
 * a database comes before what is written to coordination: were it to end in between, connections that expect the former
 * mark are refused until somebody has gone on. A database that does not answer is asked again, and the wish says so.
 */
import type { Compare, Coordination, KeyValue, Operation } from '@chappe/coordination/coordination';
import { incarnationOf, parseRange, rangePrefix } from '@chappe/ranges/range';
import { formatStoreChange, parseStoreChange, storeChangePrefix, type StoreChange } from '@chappe/ranges/store-change';
import { formatStore, parseStore, storePrefix, storesMax, type StoreInfo } from '@chappe/ranges/store-info';
import type { OpenStore } from '@chappe/ranges/stores';
import { StoreError, type Store } from '@chappe/store/store';
import { makeMark, raiseMark, readMark, type StoreMark } from '@chappe/store/store-mark';
import type { CoordinatorEvents } from './events.ts';
import type { Journal } from './journal.ts';
import type { Leadership } from './leadership.ts';
import { endedReshapeMs, lookIntervalMs } from './limits.ts';
import { lookRepeatedly, type RepeatedLook } from './repeated-look.ts';

export interface StoreKeeperDependencies {
  readonly coordination: Coordination;
  readonly openStore: OpenStore;
  readonly events: CoordinatorEvents;
  readonly journal: Journal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What is to become of a wish: the store as it then is, or why not. */
type Decision = { readonly store: StoreInfo; readonly line: string } | { readonly problem: string };

export function keepStores(dependencies: StoreKeeperDependencies, leadership: Leadership): RepeatedLook {
  const { coordination, events, journal, now } = dependencies;
  const look = async (): Promise<number> => {
    if (leadership.lost.aborted) return lookIntervalMs;
    for (const entry of (await coordination.list(storeChangePrefix)).entries) {
      const change = parseStoreChange(entry.value);
      if (change.step === 'requested') await fulfil(change, entry);
      else if (now() - change.sinceMs > endedReshapeMs) await write(entry, [{ kind: 'delete', key: entry.key }]);
    }
    return lookIntervalMs;
  };

  async function fulfil(change: StoreChange, entry: KeyValue): Promise<void> {
    const stores = (await coordination.list(storePrefix)).entries.map(({ value }) => parseStore(value));
    let decision: Decision;
    try {
      decision = await decide(dependencies, change, stores);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.kind === 'invalid') decision = { problem: error.message };
      else {
        // It is asked again at the next look; said once.
        if (change.problem === error.message) return;
        await write(entry, [put({ ...change, problem: error.message })]);
        return;
      }
    }
    const { problem: _before, ...wish } = change;
    const ended = { ...wish, sinceMs: now() };
    if ('problem' in decision) {
      await write(entry, [
        put({ ...ended, step: 'refused', problem: decision.problem }),
        journal.line(`store ${change.id}: ${change.kind} refused: ${decision.problem}`),
      ]);
      return;
    }
    await write(entry, [
      put({ ...ended, step: 'done' }),
      { kind: 'put', key: storePrefix + change.id, value: formatStore(decision.store) },
      journal.line(decision.line),
    ]);
  }

  /** Nothing happens if somebody has wished for something else meanwhile. */
  async function write({ key, modRevision }: KeyValue, operations: readonly Operation[]): Promise<void> {
    const compare: Compare = { key, modRevision };
    await coordination.transact([leadership.compare, compare], operations);
  }

  return lookRepeatedly(look, (error) => events.failed(error));
}

function put(change: StoreChange): Operation {
  return { kind: 'put', key: storeChangePrefix + change.id, value: formatStoreChange(change) };
}

async function decide(
  dependencies: StoreKeeperDependencies,
  change: StoreChange,
  stores: readonly StoreInfo[],
): Promise<Decision> {
  const { id, kind, address } = change;
  const known = stores.find((store) => store.id === id);
  if (kind === 'add') {
    if (known !== undefined) return { problem: `there is a store ${id} already, at ${known.address}` };
    if (stores.length >= storesMax) return { problem: `there are ${storesMax} stores already` };
    if (address === undefined) return { problem: 'no address is named' };
    return add(dependencies, { id, address }, stores);
  }
  if (known === undefined) return { problem: `there is no store ${id}` };
  if (kind === 'failover' && (address === undefined || address === known.address))
    return { problem: `store ${id} is at ${known.address} already` };
  const there = { ...known, address: address ?? known.address };
  if (there.address !== known.address && change.oldIsFenced !== true && (await answers(dependencies, known)))
    return {
      problem: `${known.address} still takes writes: stop it or make it read-only first; if nobody can write there, say --old-is-fenced`,
    };
  await using store = await dependencies.openStore(there);
  const mark = await readMark(store);
  if (mark?.identity !== known.identity)
    return { problem: `${there.address} is no copy of store ${id}: it has ${mark?.identity ?? 'no mark'}` };
  // Awaited here: what it opened is closed at the end.
  return kind === 'failover' ? moved(there, mark) : await restored(dependencies, there, mark, stores, store);
}

async function add(
  { openStore }: StoreKeeperDependencies,
  place: Pick<StoreInfo, 'id' | 'address'>,
  stores: readonly StoreInfo[],
): Promise<Decision> {
  await using store = await openStore(place);
  const mark = await makeMark(store);
  const same = stores.find(({ identity }) => identity === mark.identity);
  if (same !== undefined) return { problem: `it is the database of store ${same.id}, or a copy of it` };
  return { store: { ...place, ...mark }, line: `store ${place.id} added, at ${place.address}` };
}

function moved(there: StoreInfo, mark: StoreMark): Decision {
  if (mark.incarnation === there.incarnation)
    return { store: there, line: `store ${there.id} is at ${there.address} now` };
  return {
    problem: `it is at incarnation ${mark.incarnation} and not at ${there.incarnation}: it lacks commits; say restored instead`,
  };
}

/** Higher than that of any range there is: ranges bring theirs along when they go from store to store. */
async function restored(
  { coordination }: StoreKeeperDependencies,
  there: StoreInfo,
  mark: StoreMark,
  stores: readonly StoreInfo[],
  store: Store,
): Promise<Decision> {
  const ranges = (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value));
  const highest = Math.max(...ranges.map(incarnationOf), ...stores.map(({ incarnation }) => incarnation));
  const incarnation = Math.max(highest + 1, mark.incarnation);
  await raiseMark(store, { identity: mark.identity, incarnation });
  return {
    store: { ...there, incarnation },
    line: `store ${there.id} came back without its last commits: incarnation ${incarnation}`,
  };
}

/** Whether the server at the former address takes writes still, as far as can be seen from here. */
async function answers({ openStore }: StoreKeeperDependencies, known: StoreInfo): Promise<boolean> {
  try {
    await using store = await openStore(known);
    return (await readMark(store))?.identity === known.identity;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}
