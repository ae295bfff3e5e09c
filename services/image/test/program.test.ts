/** The program of the image as a container starts it: which commands it has, what they need, how they end. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { createConnection } from 'mysql2/promise';

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** Every service, with what it cannot do without. */
const services: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  gateway: { CHAPPE_ADMIN_KEY: 'a key of more than 16 letters' },
  coordinator: {},
  sender: { CHAPPE_SHARD_ID: 'sender-0' },
  crypto: {},
  relay: {},
  billing: {},
};
/** Whose tables there are. */
const withTables = ['crypto', 'gateway', 'relay', 'sender', 'billing', 'event-consumer'];

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  cwd = tmpdir(),
): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...own, ...environment };
    execFile(process.execPath, [program, ...command], { cwd, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHAPPE_')));

test('each service checks its configuration, and opens nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-image-'));
  for (const [service, needed] of [...Object.entries(services), ['migrate', {}] as const]) {
    const { code, out, err } = await run([service, '--check-config'], needed, folder);
    assert.equal(code, 0, `${service}: ${err}`);
    assert.equal(out, 'the configuration can be used\n');
  }
  assert.deepEqual(await readdir(folder), []);
  await rm(folder, { recursive: true });
});

test('what a service lacks, or has by half, is named with its variable by `--check-config` already', async () => {
  const half = { CHAPPE_LOG_USERNAME: 'chappe', CHAPPE_RELAY_TLS_CERTIFICATE: '/etc/chappe/tls.crt' };
  for (const [service, environment, hints] of [
    ['gateway', {}, [/CHAPPE_ADMIN_KEY/u]],
    ['sender', {}, [/CHAPPE_SHARD_ID/u]],
    ['relay', half, [/CHAPPE_RELAY_TLS_KEY: it is needed with CHAPPE_RELAY_TLS_CERTIFICATE/u, /CHAPPE_LOG_PASSWORD/u]],
    ['crypto', { CHAPPE_STORE: 'postgres://db/chappe' }, [/CHAPPE_STORE/u]],
    ['migrate', { CHAPPE_STORE_TLS_KEY: '/etc/chappe/tls.key' }, [/CHAPPE_STORE_TLS_CERTIFICATE/u]],
  ] as const) {
    const { code, err } = await run([service, '--check-config'], environment);
    assert.equal(code, 1, service);
    for (const hint of hints) assert.match(err, hint);
  }
});

test('what is no service is the command-line tool, and what that does not know is refused', async () => {
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.out, /Usage: chappe .*\n[^]* up .*the standalone node/u);
  for (const wrong of ['senders', 'constructor', 'toString']) {
    const { code, err } = await run([wrong]);
    assert.equal(code, 2, wrong);
    assert.match(err, new RegExp(`unknown command '${wrong}'`, 'u'));
  }
});

test('`migrate` makes the tables of every service in a file, and finds them up to date then', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-image-'));
  const path = join(folder, 'store.sqlite');
  await expectMigration({ CHAPPE_STORE: `sqlite:${path}` });
  {
    await using store = await openSqliteStore({ path });
    const [row] = await store.query("SELECT COUNT(*) AS tables FROM sqlite_schema WHERE name = 'range_progress'");
    assert.equal(Number(row?.['tables']), 1);
  }
  const away = await run(['migrate'], { CHAPPE_STORE: `sqlite:${folder}/none/store.sqlite` });
  assert.equal(away.code, 1);
  assert.match(away.err, /^chappe migrate: .*none/u);
  await rm(folder, { recursive: true });
});

const mysql = process.env['CHAPPE_MYSQL_URL'];

test(
  '`migrate` does so on a real MariaDB',
  { skip: mysql === undefined && 'the stack is not there: `make test` has it' },
  async (t) => {
    const database = `chappe_t${randomBytes(4).toString('hex')}`;
    await administer(`CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin`);
    t.after(() => administer(`DROP DATABASE ${database}`));
    const CHAPPE_STORE = (mysql ?? '').replace(/\/[^/]*$/u, `/${database}`);
    await expectMigration({ CHAPPE_STORE });
    const gone = await run(['migrate'], { CHAPPE_STORE: `${CHAPPE_STORE}_none` });
    assert.equal(gone.code, 1);
    assert.match(gone.err, /^chappe migrate: .*there is no such database, create it/u);
  },
);

async function expectMigration(environment: Readonly<Record<string, string>>): Promise<void> {
  const first = await run(['migrate'], environment);
  assert.equal(first.code, 0, first.err);
  const lines = first.out.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(':')[0]),
    withTables,
  );
  for (const line of lines) assert.match(line, /: applied \d+/u);
  const again = await run(['migrate'], environment);
  assert.equal(again.code, 0, again.err);
  assert.equal(again.out, withTables.map((name) => `${name}: up to date\n`).join(''));
}

async function administer(sql: string): Promise<void> {
  const connection = await createConnection(mysql ?? '');
  await connection.query(sql);
  await connection.end();
}
