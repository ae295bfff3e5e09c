/**
 * What a handset must not lose, as records of bytes by kind and key.
 *
 * Reading is from memory. Changes become durable, all or nothing, with `commit`, which is called
 * before anything is acknowledged or sent. Two kinds: in memory here (tests, benchmarks) and a
 * file (`handset-file.ts`).
 */

export const recordKinds = [
  /** `account`: number and identity (account.ts); `lastPreKeyId` (prekeys.ts). */
  'account',
  /** Private prekeys, by id. */
  'preKey',
  'signedPreKey',
  'kyberPreKey',
  /** Session records, by business number. */
  'session',
  /** How many sessions there have been with a business number. */
  'sessionNo',
  /** The identity key first seen of a business number. */
  'identity',
  /** One record, `mailbox`: position, refused sessions, reports (mailbox-record.ts). */
  'mailbox',
  /** Message ids that were taken; values are empty. */
  'seen',
  /** Messages that were shown, by message id. */
  'shown',
  /** Frames to send until they are confirmed, replies until the business has them; by id. */
  'outbound',
  /** What the replies among them say, to encrypt it anew (replies.ts). */
  'reply',
  /** Read receipts not known to have arrived, by message id. */
  'read',
  /** Blocked business numbers; values are empty. */
  'blocked',
] as const;

export type RecordKind = (typeof recordKinds)[number];

export interface HandsetState extends Disposable {
  get(kind: RecordKind, key: string): Uint8Array | undefined;
  /** A key that is there keeps its place in the order. The bytes are not copied: leave them alone afterwards. */
  put(kind: RecordKind, key: string, value: Uint8Array): void;
  delete(kind: RecordKind, key: string): void;
  /** In the order in which the keys were first put. */
  keys(kind: RecordKind): Iterable<string>;
  count(kind: RecordKind): number;
  /** @throws ChappeError `storeUnavailable`: nothing since the last commit is durable, and the state is of no more use */
  commit(): void;
}

export type RecordMaps = Readonly<Record<RecordKind, Map<string, Uint8Array>>>;

/** A state that ends with the process. */
export function memoryState(): HandsetState {
  return stateOver(emptyMaps(), { changed: () => undefined, commit: () => undefined, close: () => undefined });
}

export interface StateObserver {
  /** `value` is absent for a deletion. */
  changed(kind: RecordKind, key: string, value: Uint8Array | undefined): void;
  commit(): void;
  close(): void;
}

export function stateOver(maps: RecordMaps, observer: StateObserver): HandsetState {
  return {
    get: (kind, key) => maps[kind].get(key),
    put(kind, key, value) {
      maps[kind].set(key, value);
      observer.changed(kind, key, value);
    },
    delete(kind, key) {
      if (maps[kind].delete(key)) observer.changed(kind, key, undefined);
    },
    keys: (kind) => maps[kind].keys(),
    count: (kind) => maps[kind].size,
    commit: () => observer.commit(),
    [Symbol.dispose]: () => observer.close(),
  };
}

export function emptyMaps(): RecordMaps {
  return Object.fromEntries(recordKinds.map((kind) => [kind, new Map()])) as unknown as RecordMaps;
}

/** Forgets the records that were put first, until at most so many are left. */
export function keepNewest(state: HandsetState, kind: RecordKind, kept: number): void {
  for (const key of state.keys(kind)) {
    if (state.count(kind) <= kept) return;
    state.delete(kind, key);
  }
}

const noBytes = new Uint8Array();

/** For kinds whose keys say everything. */
export function putKey(state: HandsetState, kind: RecordKind, key: string): void {
  state.put(kind, key, noBytes);
}

export function putJson(state: HandsetState, kind: RecordKind, key: string, value: unknown): void {
  state.put(kind, key, Buffer.from(JSON.stringify(value), 'utf8'));
}

/** What `putJson` has put; the caller knows its type. */
export function getJson(state: HandsetState, kind: RecordKind, key: string): unknown {
  const bytes = state.get(kind, key);
  return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString('utf8'));
}
