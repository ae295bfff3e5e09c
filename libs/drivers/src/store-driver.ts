/** Which SQL store a process uses: `CHAPPE_STORE`; and how those of ranges are reached, which rest in coordination. */
import type { OpenStore } from '@chappe/ranges/stores';
import { mysqlServerOf, openMysqlStore } from '@chappe/store/mysql-store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { expectMark, readMark, type StoreMark } from '@chappe/store/store-mark';
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

/** Of whoever opens stores of ranges. */
export const rangeStoreVariables = {
  /** JSON: `{"<store id>": {"user": "...", "password": "..."}}`. Stores that it does not name take the login of CHAPPE_STORE. */
  CHAPPE_STORE_LOGINS: z
    .string()
    .default('{}')
    .transform((text, context) => {
      try {
        return logins.parse(JSON.parse(text));
      } catch {
        context.addIssue('it is not like {"<store id>": {"user": "...", "password": "..."}}');
        return z.NEVER;
      }
    }),
};

const logins = z.record(z.string(), z.strictObject({ user: z.string(), password: z.string() }));

const schema = z.object(variables);
const rangeStoreSchema = z.object({ ...variables, ...rangeStoreVariables });
export type RangeStoreConfig = Readonly<z.output<typeof rangeStoreSchema>>;
export type StoreConfig = Readonly<z.output<typeof schema>>;

/** @throws StoreError `unavailable` when it does not answer or lacks rights, `invalid` when another cluster uses it; ConfigError */
export async function openStore(config: StoreConfig & Partial<CoordinationConfig>): Promise<Store> {
  return openOwn(config, config.CHAPPE_STORE, ownLogin(config));
}

/** Where the configured store is, without its login. */
export function storeAddressOf({ CHAPPE_STORE: driver }: StoreConfig): string {
  if (driver.kind === 'sqlite') return `sqlite:${driver.path}`;
  const { host, port, database } = driver.server;
  return `mysql://${host}:${port}/${database}`;
}

/** Opens stores of ranges with the logins and the TLS of this process; none that another cluster uses. */
export function storeOpener(config: RangeStoreConfig & Partial<CoordinationConfig>): OpenStore {
  return async ({ id, address }, mark) =>
    openOwn(config, readDriver(address), config.CHAPPE_STORE_LOGINS[id] ?? ownLogin(config), mark);
}

interface Login {
  readonly user: string;
  readonly password: string;
}

/** Of CHAPPE_STORE. */
function ownLogin({ CHAPPE_STORE: driver, CHAPPE_STORE_PASSWORD: password }: StoreConfig): Login {
  const own = driver.kind === 'mysql' ? driver.server : undefined;
  return { user: own?.user ?? '', password: password ?? own?.password ?? '' };
}

/** @param mark absent: whatever database it is */
async function openOwn(
  config: StoreConfig & Partial<CoordinationConfig>,
  driver: Driver,
  login: Login,
  mark?: StoreMark,
): Promise<Store> {
  await using opened = new AsyncDisposableStack();
  let store: Store;
  if (driver.kind === 'sqlite') {
    store = opened.use(await openSqliteStore({ path: driver.path }));
    if (mark !== undefined) expectMark(await readMark(store), mark, `sqlite:${driver.path}`);
  } else {
    const tls = readTlsFiles('CHAPPE_STORE', config);
    store = opened.use(await openMysqlStore({ ...driver.server, ...login, tls, mark }));
  }
  const cluster = clusterNameOf(config);
  if (cluster !== undefined) await expectOwnTables(store, cluster);
  opened.move();
  return store;
}

function readDriver(text: string): Driver {
  const path = pathAfter('sqlite:', text);
  return path === undefined ? { kind: 'mysql', server: mysqlServerOf(text) } : { kind: 'sqlite', path };
}
