/**
 * What the errors of `mysql2`, MySQL and MariaDB mean to the port.
 *
 * The server's messages quote values ("Duplicate entry '...'", "near '...'") and `mysql2` adds the
 * whole statement: neither goes further than this file. Messages hold the number and name of the
 * error, the name of a key, and the statement with its `?`.
 */
import type { StoreErrorKind } from './store.ts';
import { StoreError } from './store.ts';

/** @param where the server, `host:port/database` */
export function asStoreError(error: unknown, where: string, sql?: string): StoreError {
  if (error instanceof StoreError) return error;
  const { code, errno } = namesOf(error);
  const inside = sql === undefined ? '' : `, in: ${shorten(sql)}`;
  const kind = kindOf(errno, isOfServer(error));
  const name = `${code}${errno > 0 ? ` (${errno})` : ''}`;
  switch (kind) {
    case 'refused':
      return new StoreError(kind, `${where} refuses for the moment: ${name}${inside}`);
    case 'conflict':
      return new StoreError(kind, `a row is there already under ${keyOf(error)}${inside}`);
    case 'invalid':
      return new StoreError(kind, `${where} cannot run it: ${name}${columnOf(error)}${inside}`);
    case 'unavailable':
      return new StoreError(
        kind,
        `${where} cannot be used: ${name}${adviceOf(errno)}${certificateProblem(error, code)}`,
      );
  }
}

/**
 * Of a failed COMMIT. Some errors say that the server rolled back; after any other it happened or not.
 */
export function asCommitError(error: unknown, where: string): StoreError {
  const known = asStoreError(error, where);
  if (known.kind === 'refused') return known;
  const { errno } = namesOf(error);
  if (readOnly.has(errno)) return known;
  return new StoreError('unknown', `${where}: the commit was sent and not confirmed (${known.message})`);
}

function kindOf(errno: number, isAnswer: boolean): Exclude<StoreErrorKind, 'unknown'> {
  if (!isAnswer) return 'unavailable';
  if (tryAgain.has(errno)) return 'refused';
  if (duplicate.has(errno)) return 'conflict';
  return cannotServe.has(errno) || readOnly.has(errno) || noRight.has(errno) ? 'unavailable' : 'invalid';
}

/** Sent by the server as an answer, rather than made here for a connection that is broken. */
function isOfServer(error: unknown): boolean {
  return error instanceof Error && 'sqlState' in error && typeof error.sqlState === 'string';
}

function namesOf(error: unknown): { readonly code: string; readonly errno: number } {
  const isNamed = error instanceof Error && 'code' in error;
  const code = isNamed ? String(error.code) : error instanceof Error ? error.message : 'unknown error';
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  return { code, errno };
}

function keyOf(error: unknown): string {
  const text = error instanceof Error && 'sqlMessage' in error ? String(error.sqlMessage) : '';
  return / for key '([\w.]+)'$/.exec(text)?.[1] ?? 'the same key';
}

function columnOf(error: unknown): string {
  const text = error instanceof Error && 'sqlMessage' in error ? String(error.sqlMessage) : '';
  const column = / (?:for|Unknown) column '?[`\w.]*?[`.]?(\w+)`?'?/.exec(text)?.[1];
  return column === undefined ? '' : `, column ${column}`;
}

function shorten(sql: string): string {
  return sql.length > 300 ? `${sql.slice(0, 300)}...` : sql;
}

function adviceOf(errno: number): string {
  if (readOnly.has(errno)) return ': it is read-only, so perhaps a replica or a former primary';
  if (noRight.has(errno)) return ': the user lacks a right, or its password is wrong';
  if (diskFull.has(errno)) return ': its disk is full, free some space';
  if (errno === 1049) return ': there is no such database, create it';
  if (errno === 1047) return ': it is not in step with its cluster yet';
  return '';
}

/** The names in a certificate are no secret. */
function certificateProblem(error: unknown, code: string): string {
  return code === 'HANDSHAKE_SSL_ERROR' && error instanceof Error ? `: ${error.message}` : '';
}

/** Deadlock, lock time-out (also of tables, and NOWAIT), changed since the snapshot, too many connections. */
const tryAgain: ReadonlySet<number> = new Set([1205, 1213, 1614, 3058, 3572, 1020, 1040, 1203, 1226]);
const duplicate: ReadonlySet<number> = new Set([1062, 1169, 1586]);
const readOnly: ReadonlySet<number> = new Set([1290, 1792, 1836, 3100]);
const noRight: ReadonlySet<number> = new Set([1044, 1045, 1142, 1143, 1227, 1370, 1410, 1698, 3118]);
const diskFull: ReadonlySet<number> = new Set([3, 1021, 1026, 1114, 1878]);
const cannotServe: ReadonlySet<number> = new Set([
  ...diskFull,
  // Read and write errors of the server's files and engine.
  1023,
  1024,
  1028,
  1030,
  1180,
  1181,
  // Out of memory.
  1037,
  1038,
  1041,
  // Not in step (Galera), no such database, shutting down, host blocked or not allowed.
  1047,
  1049,
  1053,
  1129,
  1130,
  // Connections that the server ended: aborted, killed, idle, broken on the way.
  1152,
  1153,
  1158,
  1159,
  1160,
  1161,
  1184,
  1317,
  1927,
  1969,
  3024,
  3169,
  4031,
]);
