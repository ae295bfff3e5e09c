/**
 * MariaDB in the local stack: one server, or a pair of a primary and its replica, at first in zone a and in zone b.
 *
 * The pair is semi-synchronous, AFTER_SYNC and in effect without time-out: a COMMIT is confirmed only
 * when the replica has it on its disk as well, and waits as long as there is no replica.
 *
 * It flushes what makes a commit survive the loss of power (log and binlog), and its default isolation
 * stays REPEATABLE READ: sessions that need another ask for it.
 *
 * A replica can be promoted. What was the primary until then may have commits that nobody was told of, so it is
 * never started again: the next start makes it anew, as a replica.
 */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { installMissing, type Program } from './debian-packages.ts';
import { runCommand, startServer, stopServer } from './process-record.ts';
import type { Server } from './process-record.ts';
import type { StackContext, StackEnvironment, StackPart } from './stack-context.ts';

interface MariadbNode {
  readonly name: string;
  readonly site: 'a' | 'b';
  readonly serverId: number;
}

const nodes: readonly [MariadbNode, MariadbNode] = [
  { name: 'mariadb-a', site: 'a', serverId: 1 },
  { name: 'mariadb-b', site: 'b', serverId: 2 },
];

const port = 13_306;
/** Of the replica, where both are on one loopback. */
const secondPort = 13_307;

/** How long a replica may take to apply what it was sent. */
const appliedWithinSeconds = 90;

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
  const { primary, replica } = await rolesOf(context);
  if (context.zones === 2) await startPair(context, primary, replica);
  else await startNode(context, primary);
  await runSql(context, primary, setUpSql(context));
}

/** The replica first follows and then the primary waits for it, so that nothing waits in vain. */
async function startPair(context: StackContext, primary: MariadbNode, replica: MariadbNode): Promise<void> {
  await forgetUnrewound(context, replica);
  await Promise.all([startNode(context, primary), startNode(context, replica)]);
  await runSql(context, primary, replicationUserSql(context));
  // A new one takes in all that there ever was: nobody counts on its disk before the primary waits for it.
  await runSql(context, replica, flushSql(0));
  await runSql(context, replica, followSql(context, primary));
  const position = await runSql(context, primary, "SELECT CONCAT('at ', @@gtid_binlog_pos) AS answer");
  await untilApplied(context, replica, /^at (\S*)$/m.exec(position)?.[1] ?? '');
  await runSql(context, replica, flushSql(1));
  await runSql(context, primary, waitForReplicaSql);
}

interface Roles {
  readonly primary: MariadbNode;
  readonly replica: MariadbNode;
}

async function rolesOf(context: StackContext): Promise<Roles> {
  const name = await readFile(primaryFile(context), 'utf8').catch(() => nodes[0].name);
  return name === nodes[1].name ? { primary: nodes[1], replica: nodes[0] } : { primary: nodes[0], replica: nodes[1] };
}

function primaryFile({ dataFolder }: StackContext): string {
  return `${dataFolder}/mariadb-primary`;
}

/** Of a pair: the zone of the primary. */
export async function siteOfPrimary(context: StackContext): Promise<'a' | 'b'> {
  return (await rolesOf(context)).primary.site;
}

/**
 * Makes the replica the primary, which waits for no replica until one is there again. Clients are not moved.
 *
 * @returns the zone of the new primary
 */
export async function promoteReplica(context: StackContext): Promise<'a' | 'b'> {
  const { primary: former, replica } = await rolesOf(context);
  await writeFile(`${folderOf(context, former)}.unrewound`, '');
  await runSql(context, replica, 'STOP SLAVE IO_THREAD');
  const status = await runSql(context, replica, 'SHOW SLAVE STATUS\\G');
  const received = /Gtid_IO_Pos: (\S*)/.exec(status)?.[1] ?? '';
  await untilApplied(context, replica, received);
  await runSql(context, replica, promoteSql);
  await writeFile(primaryFile(context), replica.name);
  return replica.site;
}

/** Lets a primary whose replica is lost commit without one, what waits for it now included. */
export async function leavePrimaryAlone(context: StackContext): Promise<void> {
  const { primary } = await rolesOf(context);
  await runSql(context, primary, 'SET GLOBAL rpl_semi_sync_master_enabled = 0');
}

async function untilApplied(context: StackContext, replica: MariadbNode, position: string): Promise<void> {
  const wait = `SELECT CONCAT('waited ', MASTER_GTID_WAIT('${position}', ${appliedWithinSeconds})) AS answer`;
  const answer = await runSql(context, replica, wait);
  if (!answer.includes('waited 0')) throw new Error(`${replica.name} has not applied ${position}`);
}

/** A former primary goes with all that it has: the next start makes it anew. */
async function forgetUnrewound(context: StackContext, node: MariadbNode): Promise<void> {
  const mark = `${folderOf(context, node)}.unrewound`;
  if (!(await exists(mark))) return;
  await stopServer(context.dataFolder, node.name, 'SIGKILL');
  await rm(folderOf(context, node), { recursive: true, force: true });
  await rm(mark);
}

function mariadbEnvironment({ places }: StackContext): StackEnvironment {
  return { CHAPPE_MYSQL_URL: `mysql://${user}:${password}@${places.database}:${port}/${database}` };
}

function portOf({ places }: StackContext, { site }: MariadbNode): number {
  return site === 'b' && places.a.host === places.b.host ? secondPort : port;
}

async function startNode(context: StackContext, node: MariadbNode): Promise<void> {
  const folder = folderOf(context, node);
  // Its own: a server that starts removes temporary tables there, whosever they are.
  const tmpFolder = `${folder}.tmp`;
  await mkdir(tmpFolder, { recursive: true });
  if (!(await exists(folder))) {
    // Made beside it: what a killed run left half made is never taken for a data folder.
    const unfinished = `${folder}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    await runCommand('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${unfinished}`,
      `--tmpdir=${tmpFolder}`,
      '--skip-test-db',
      '--auth-root-authentication-method=normal',
      ...asRoot(),
    ]);
    await rename(unfinished, folder);
  }
  const server: Server = {
    name: node.name,
    command: 'mariadbd',
    args: [...settingsOf(context, node, folder), `--tmpdir=${tmpFolder}`],
    host: context.places[node.site].host,
    ports: [portOf(context, node)],
    enter: context.places[node.site].enter,
  };
  await startServer(context.dataFolder, server);
}

function settingsOf(context: StackContext, node: MariadbNode, folder: string): string[] {
  return [
    '--no-defaults',
    ...asRoot(),
    `--datadir=${folder}`,
    // Relative to the data folder: the path of a socket has at most 107 characters.
    '--socket=server.sock',
    `--pid-file=${folder}/server.pid`,
    `--bind-address=${context.places.databaseListens}`,
    `--port=${portOf(context, node)}`,
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
const replicationUserSql = ({ places }: StackContext): string => `
  SET SESSION sql_log_bin = 0;
  CREATE USER IF NOT EXISTS 'replica'@'${places.databaseClients}' IDENTIFIED BY 'replica';
  GRANT REPLICATION SLAVE ON *.* TO 'replica'@'${places.databaseClients}';
`;

/** A primary that is silent for 3 s is called again, else a minute: packets may be lost for good. */
const followSql = (context: StackContext, primary: MariadbNode): string => `
  SET GLOBAL read_only = 1;
  SET GLOBAL rpl_semi_sync_slave_enabled = 1;
  SET GLOBAL slave_net_timeout = 3;
  STOP SLAVE;
  CHANGE MASTER TO master_host = '${context.places[primary.site].host}', master_port = ${portOf(context, primary)},
    master_user = 'replica', master_password = 'replica', master_use_gtid = slave_pos, master_connect_retry = 1,
    master_heartbeat_period = 1;
  START SLAVE;
`;

const flushSql = (each: 0 | 1): string => `
  SET GLOBAL sync_relay_log = ${each};
  SET GLOBAL sync_binlog = ${each};
  SET GLOBAL innodb_flush_log_at_trx_commit = ${each};
`;

const promoteSql = `
  STOP SLAVE;
  RESET SLAVE ALL;
  SET GLOBAL rpl_semi_sync_slave_enabled = 0;
  SET GLOBAL rpl_semi_sync_master_enabled = 0;
  SET GLOBAL read_only = 0;
`;

/** Without time-out: the longest one there is, 136 years. */
const waitForReplicaSql = `
  SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC;
  SET GLOBAL rpl_semi_sync_master_timeout = 4294967295000;
  SET GLOBAL rpl_semi_sync_master_wait_no_slave = 1;
  SET GLOBAL rpl_semi_sync_master_enabled = 1;
`;

/** The rights that migrations and services need, and no others. Tests make databases of their own beside it. */
const setUpSql = ({ places }: StackContext): string => `
  CREATE DATABASE IF NOT EXISTS ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  CREATE USER IF NOT EXISTS '${user}'@'${places.databaseClients}' IDENTIFIED BY '${password}';
  GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON \`${database}%\`.* TO '${user}'@'${places.databaseClients}';
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
