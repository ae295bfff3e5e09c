/** Which SQL store a process uses: `CHAPPE_STORE`. */
import { mysqlServerOf, openMysqlStore } from '@chappe/store/mysql-store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { z } from 'zod';
import { readTlsFiles, tlsVariables } from './access-variables.ts';
import { expectOwnTables } from './cluster-mark.ts';
import { clusterNameOf, type CoordinationConfig } from './coordination-driver.ts';
import { driverVariable, pathAfter } from './driver-variable.ts';

type Driver =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'mysql'; readonly server: ReturnType<typeof mysqlServerOf> };

/** @param path the SQLite file of the service if no store is named */
export function storeVariables(path: string): typeof variables {
  return { ...variables, CHAPPE_STORE: driverVariable(`sqlite:${path}`, readDriver) };
}

const variables = {
  /** `sqlite:<path>`, or `mysql://user@host:port/database`. */
  CHAPPE_STORE: driverVariable('sqlite:data/store.sqlite', readDriver),
  /** Instead of one in the URL. */
  CHAPPE_STORE_PASSWORD: z.string().optional(),
  ...tlsVariables('CHAPPE_STORE'),
};

const schema = z.object(variables);
export type StoreConfig = Readonly<z.output<typeof schema>>;

/** @throws StoreError `unavailable` when it does not answer or lacks rights, `invalid` when another cluster uses it; ConfigError */
export async function openStore(config: StoreConfig & Partial<CoordinationConfig>): Promise<Store> {
  await using opened = new AsyncDisposableStack();
  const store = opened.use(await openDriver(config));
  const cluster = clusterNameOf(config);
  if (cluster !== undefined) await expectOwnTables(store, cluster);
  opened.move();
  return store;
}

async function openDriver(config: StoreConfig): Promise<Store> {
  const driver = config.CHAPPE_STORE;
  if (driver.kind === 'sqlite') return openSqliteStore({ path: driver.path });
  const password = config.CHAPPE_STORE_PASSWORD ?? driver.server.password;
  return openMysqlStore({ ...driver.server, password, tls: readTlsFiles('CHAPPE_STORE', config) });
}

function readDriver(text: string): Driver {
  const path = pathAfter('sqlite:', text);
  return path === undefined ? { kind: 'mysql', server: mysqlServerOf(text) } : { kind: 'sqlite', path };
}
