/**
 * MariaDB in the local stack: one server, or a primary in zone a and its replica in zone b.
 *
 * The pair is semi-synchronous, AFTER_SYNC and in effect without time-out: a COMMIT is confirmed only
 * when the replica has it on its disk as well, and waits as long as there is no replica.
 *
 * It flushes what makes a commit survive the loss of power (log and binlog), and its default isolation
 * stays REPEATABLE READ: sessions that need another ask for it.
 */
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { installMissing, type Program } from './debian-packages.ts';
import { runCommand, startServer } from './process-record.ts';
import type { Server } from './process-record.ts';
import type { StackContext, StackEnvironment, StackPart } from './stack-context.ts';

interface MariadbNode {
  readonly name: string;
  readonly serverId: number;
  readonly port: number;
}

const primary: MariadbNode = { name: 'mariadb-a', serverId: 1, port: 13_306 };
const replica: MariadbNode = { name: 'mariadb-b', serverId: 2, port: 13_307 };

const [database, user, password] = ['chappe', 'chappe', 'chappe'];

export const mariadb: StackPart = {
  name: 'mariadb',
  install: installMariadb,
  start: startMariadb,
  environment: mariadbEnvironment,
};

/** With OpenSSL, which makes the certificates of the tests, and jemalloc, which the cluster's processes load. */
function installMariadb({ report }: StackContext): Promise<void> {
  const programs: Program[] = [
    { check: ['mariadbd', '--no-defaults', '--version'], debianPackage: 'mariadb-server' },
    { check: ['openssl', 'version'], debianPackage: 'openssl' },
    { check: ['sh', '-c', '/sbin/ldconfig -p | grep -q libjemalloc.so.2'], debianPackage: 'libjemalloc2' },
  ];
  return installMissing(programs, report);
}

async function startMariadb(context: StackContext): Promise<void> {
  if (context.zones === 2) await startPair(context);
  else await startNode(context, primary);
  await runSql(context, primary, setUpSql);
}

/** The replica first follows and then the primary waits for it, so that nothing waits in vain. */
async function startPair(context: StackContext): Promise<void> {
  await Promise.all([startNode(context, primary), startNode(context, replica)]);
  await runSql(context, primary, replicationUserSql);
  await runSql(context, replica, followSql);
  await runSql(context, primary, waitForReplicaSql);
}

function mariadbEnvironment(): StackEnvironment {
  return { CHAPPE_MYSQL_URL: `mysql://${user}:${password}@127.0.0.1:${primary.port}/${database}` };
}

async function startNode(context: StackContext, node: MariadbNode): Promise<void> {
  const folder = folderOf(context, node);
  if (!(await exists(folder))) {
    // Made beside it: what a killed run left half made is never taken for a data folder.
    const unfinished = `${folder}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    await runCommand('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${unfinished}`,
      '--skip-test-db',
      '--auth-root-authentication-method=normal',
      ...asRoot(),
    ]);
    await rename(unfinished, folder);
  }
  const server: Server = {
    name: node.name,
    command: 'mariadbd',
    args: settingsOf(node, folder),
    ports: [node.port],
  };
  await startServer(context.dataFolder, server);
}

function settingsOf(node: MariadbNode, folder: string): string[] {
  return [
    '--no-defaults',
    ...asRoot(),
    `--datadir=${folder}`,
    // Relative to the data folder: the path of a socket has at most 107 characters.
    '--socket=server.sock',
    `--pid-file=${folder}/server.pid`,
    '--bind-address=127.0.0.1',
    `--port=${node.port}`,
    '--skip-name-resolve',
    '--max-connections=400',

    // What COMMIT confirmed is on this disk, in the log and in the binlog.
    '--innodb-flush-log-at-trx-commit=1',
    '--sync-binlog=1',
    `--server-id=${node.serverId}`,
    '--log-bin=binlog',
    // READ COMMITTED works with this format only.
    '--binlog-format=ROW',
    // The key and what changed: a session's 4 kB are written once, not before and after each message.
    '--binlog-row-image=MINIMAL',
    // Else the text of every statement is written beside its rows.
    '--binlog-annotate-row-events=OFF',
    '--binlog-expire-logs-seconds=86400',
    // What the replica applies is in its own binlog, so that it can be the next primary.
    '--log-slave-updates=ON',
    '--gtid-strict-mode=ON',
    '--relay-log=relay',
    '--sync-relay-log=1',

    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_nopad_bin',
    '--max-allowed-packet=64M',
    '--innodb-buffer-pool-size=128M',
    '--innodb-log-file-size=128M',
    '--performance-schema=OFF',
  ];
}

/** Not written to the binlog: the replica has accounts of its own until it follows. */
const replicationUserSql = `
  SET SESSION sql_log_bin = 0;
  CREATE USER IF NOT EXISTS 'replica'@'127.0.0.1' IDENTIFIED BY 'replica';
  GRANT REPLICATION SLAVE ON *.* TO 'replica'@'127.0.0.1';
`;

const followSql = `
  SET GLOBAL read_only = 1;
  SET GLOBAL rpl_semi_sync_slave_enabled = 1;
  STOP SLAVE;
  CHANGE MASTER TO master_host = '127.0.0.1', master_port = ${primary.port}, master_user = 'replica',
    master_password = 'replica', master_use_gtid = slave_pos, master_connect_retry = 1;
  START SLAVE;
`;

/** Without time-out: the longest one there is, 136 years. */
const waitForReplicaSql = `
  SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC;
  SET GLOBAL rpl_semi_sync_master_timeout = 4294967295000;
  SET GLOBAL rpl_semi_sync_master_wait_no_slave = 1;
  SET GLOBAL rpl_semi_sync_master_enabled = 1;
`;

/** The rights that migrations and services need, and no others. Tests make databases of their own beside it. */
const setUpSql = `
  CREATE DATABASE IF NOT EXISTS ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  CREATE USER IF NOT EXISTS '${user}'@'127.0.0.1' IDENTIFIED BY '${password}';
  GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON \`${database}%\`.* TO '${user}'@'127.0.0.1';
`;

async function runSql(context: StackContext, node: MariadbNode, sql: string): Promise<string> {
  const socket = `--socket=${folderOf(context, node)}/server.sock`;
  return runCommand('mariadb', ['--no-defaults', socket, '--user=root', '--batch', '--execute', sql]);
}

function folderOf({ dataFolder }: StackContext, node: MariadbNode): string {
  return `${dataFolder}/${node.name}`;
}

/**
 * MariaDB runs as root only if it is told to. Its package's own user may not even get to the data: a folder
 * below /root, or one made with the umask of a careful administrator, is closed to others.
 */
function asRoot(): string[] {
  return userInfo().uid === 0 ? ['--user=root'] : [];
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
