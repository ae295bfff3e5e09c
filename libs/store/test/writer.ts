/** Commits pairs of rows to the store at a path until it is killed or the disk is full; prints what was committed. */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../src/sqlite-store.ts';
import { StoreError } from '../src/store.ts';

const [, , path = '', first = '0'] = process.argv;
const store = await openSqliteStore({ path });
await store.transaction(async (tx) => {
  await tx.run('CREATE TABLE IF NOT EXISTS debits (id INTEGER PRIMARY KEY, body BLOB NOT NULL)');
  await tx.run('CREATE TABLE IF NOT EXISTS credits (id INTEGER PRIMARY KEY, body BLOB NOT NULL)');
});

const body = new Uint8Array(500);
try {
  for (let id = Number(first); ; id += 1) {
    await store.transaction(async (tx) => {
      await tx.run('INSERT INTO debits VALUES (?, ?)', [id, body]);
      await tx.run('INSERT INTO credits VALUES (?, ?)', [id, body]);
    });
    writeSync(1, `${id}\n`);
  }
} catch (error) {
  if (!(error instanceof StoreError && error.kind === 'unavailable')) throw error;
}
