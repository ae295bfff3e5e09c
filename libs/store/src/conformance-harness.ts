/** What the conformance suite of the store needs of a driver, and the words its tests are written in. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Row, Store, StoreErrorKind, Table } from './store.ts';
import { StoreError } from './store.ts';

/** A store for one test. Disposing it removes what the test left. */
export interface StoreHarness extends AsyncDisposable {
  readonly store: Store;
  /** Closes `store` and opens the same store anew; the harness disposes that one too. */
  readonly reopen: () => Promise<Store>;
  /** Cuts `store` off from what it stores in, so that nothing can be done with it any more. */
  readonly makeDead: () => Promise<void>;
}

/** Registers one test of the suite. */
export type Check = (name: string, work: (harness: StoreHarness) => Promise<void>) => void;

/** Makes a table `(a, b, note, body)` with the key `(a, b)` and a name that no other test has. */
export async function makeTable(store: Store): Promise<Table> {
  const name = `conformance_${randomBytes(8).toString('hex')}`;
  await store.transaction((tx) =>
    tx.run(
      `CREATE TABLE ${name} (a VARCHAR(40) NOT NULL, b BIGINT NOT NULL, note VARCHAR(200), body BLOB, PRIMARY KEY (a, b))`,
    ),
  );
  return { name, key: ['a', 'b'], columns: ['a', 'b', 'note', 'body'] };
}

export async function insertNotes(store: Store, table: Table, notes: readonly string[], from = 0): Promise<void> {
  const rows = notes.map((note, index) => ['a', from + index, note, null]);
  await store.transaction((tx) => tx.insert(table, rows, 'fail'));
}

export async function notesIn(store: Store, { name }: Table): Promise<string[]> {
  return notesOf(await store.query(`SELECT note FROM ${name} ORDER BY a, b`));
}

export function notesOf(rows: readonly Row[]): string[] {
  return rows.map(({ note }) => String(note));
}

export async function rejectsAs(kind: StoreErrorKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof StoreError, `not a StoreError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}
