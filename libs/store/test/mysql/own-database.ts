/** A database for one test on the server that the environment names, dropped with it. */
import { randomBytes } from 'node:crypto';
import type { MysqlStoreOptions } from '../../src/mysql-store.ts';
import { mysqlServerOf, openMysqlStore } from '../../src/mysql-store.ts';

const url = process.env['CHAPPE_MYSQL_URL'];

export const skipWithoutServer = url === undefined && 'CHAPPE_MYSQL_URL is not set: `make test` does';

export interface OwnDatabase extends AsyncDisposable {
  readonly options: MysqlStoreOptions;
}

/** Its name begins as that of the environment's: the user has rights on such names. */
export async function ownDatabase(): Promise<OwnDatabase> {
  const server = mysqlServerOf(url ?? '');
  const name = `${server.database}_test_${randomBytes(6).toString('hex')}`;
  await createDatabase(server, name);
  return {
    options: { ...server, database: name },
    [Symbol.asyncDispose]: () => runOnce(server, `DROP DATABASE ${name}`),
  };
}

async function createDatabase(server: MysqlStoreOptions, name: string): Promise<void> {
  await using store = await openMysqlStore(server);
  const [row] = await store.query('SELECT @@collation_database AS name');
  const collation = String(row?.['name']);
  await store.transaction((tx) => tx.run(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE ${collation}`));
}

async function runOnce(server: MysqlStoreOptions, sql: string): Promise<void> {
  await using store = await openMysqlStore(server);
  await store.transaction((tx) => tx.run(sql));
}
