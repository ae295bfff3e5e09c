/**
 * What is checked before a MySQL or MariaDB server is used: its version, that it writes, that what it
 * commits is on its disk, and the user's rights. Each refusal names what to change.
 */
import { statementMs } from './limits.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import type { Row } from './store.ts';
import { StoreError } from './store.ts';

/** @throws StoreError `unavailable` with all problems; errors of `mysql2` */
export async function checkMysql(connection: MysqlConnection, where: string, database: string): Promise<void> {
  const [server] = await connection.query(serverSql, statementMs);
  const grants = await connection.query('SHOW GRANTS', statementMs);
  const problems = [
    ...(server === undefined ? [] : serverProblems(server)),
    ...rightProblems(
      grants.map((row) => String(Object.values(row)[0])),
      database,
    ),
  ];
  if (problems.length > 0) throw new StoreError('unavailable', `${where} cannot be used: ${problems.join('; ')}`);
}

const serverSql = `
  SELECT VERSION() AS version, @@collation_database AS text_order, @@read_only AS read_only, @@log_bin AS has_binlog, @@binlog_format AS binlog_format,
    @@sync_binlog AS sync_binlog, @@innodb_flush_log_at_trx_commit AS flush_log,
    @@max_allowed_packet AS packet_bytes`;

export function serverProblems(server: Row): string[] {
  const problems: string[] = [];
  const version = String(server['version']);
  if (!isNewEnough(version)) problems.push(`it is ${version}: MySQL 8.0 or MariaDB 10.6 or later is needed`);
  if (server['read_only'] !== 0) problems.push('it is read-only: name the primary, not a replica');
  if (!bytewise.has(String(server['text_order']))) {
    problems.push(
      `its texts are ordered as ${String(server['text_order'])}: ALTER DATABASE with COLLATE ${[...bytewise].join(' or ')}, before there are tables`,
    );
  }
  if (server['flush_log'] !== 1) problems.push('a commit is not flushed: set innodb_flush_log_at_trx_commit to 1');
  if (server['has_binlog'] === 1) {
    if (server['sync_binlog'] !== 1) problems.push('the binlog is not flushed: set sync_binlog to 1');
    if (server['binlog_format'] === 'STATEMENT') {
      problems.push('READ COMMITTED is not written to a binlog of statements: set binlog_format to ROW');
    }
  }
  if (Number(server['packet_bytes']) < packetBytesMin) {
    problems.push(`it takes no statements of 16 MiB: set max_allowed_packet to ${packetBytesMin}`);
  }
  return problems;
}

/** @param grants what SHOW GRANTS says */
export function rightProblems(grants: readonly string[], database: string): string[] {
  const held = new Set<string>();
  for (const grant of grants) {
    const [, rights, scope] = /^GRANT (.+?) ON (\S+) TO /.exec(grant) ?? [];
    // What a role brings is not listed: the first statement without a right says so.
    if (rights === undefined || scope === undefined) return [];
    if (covers(scope, database)) for (const right of rights.split(', ')) held.add(right);
  }
  if (held.has('ALL PRIVILEGES')) return [];
  const missing = neededRights.filter((right) => !held.has(right));
  return missing.length === 0 ? [] : [`its user lacks rights: GRANT ${missing.join(', ')} ON \`${database}\`.*`];
}

/** In a grant on databases `%` and `_` stand for any text and any character, unless escaped. */
function covers(scope: string, database: string): boolean {
  if (scope === '*.*') return true;
  const pattern = /^`(.+)`\.\*$/.exec(scope)?.[1];
  if (pattern === undefined) return false;
  const expression = pattern.replaceAll(/\\([%_])|%|_|[^\w\\%]/g, (token, escaped?: string) => {
    if (escaped !== undefined) return escaped;
    if (token === '%') return '.*';
    return token === '_' ? '.' : `\\${token}`;
  });
  return new RegExp(`^${expression}$`).test(database);
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (/mariadb/i.test(version)) return major > 10 || (major === 10 && minor >= 6);
  return major >= 8;
}

/**
 * MariaDB's and MySQL's: byte by byte, as bounds and keys are compared everywhere. To `utf8mb4_bin`
 * two texts that differ in spaces at the end are one.
 */
const bytewise: ReadonlySet<string> = new Set(['utf8mb4_nopad_bin', 'utf8mb4_0900_bin']);

const neededRights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'INDEX', 'DROP'];

/** The largest row is a held record: a command of at most 1 MB, twice as long in hexadecimal; MySQL's own default is 64 MiB. */
const packetBytesMin = 16 * 1024 * 1024;
