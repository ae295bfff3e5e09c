/**
 * TLS and login of one server of the cluster, as variables of the environment: the same names behind
 * `CHAPPE_LOG_`, `CHAPPE_COORDINATION_` and `CHAPPE_STORE_`. PEM files are read once, at the start.
 */
import { readFileSync } from 'node:fs';
import { ConfigError } from '@chappe/config/read-env';
import { z } from 'zod';

type Name<P extends string> = `${P}_TLS_AUTHORITY` | `${P}_TLS_CERTIFICATE` | `${P}_TLS_KEY`;

/** The variables of TLS behind a prefix: paths of PEM files. */
export function tlsVariables<P extends string>(prefix: P): Record<Name<P>, z.ZodOptional<z.ZodString>> {
  return {
    /** The authorities that the servers' certificates are checked against. Given: TLS; absent: open text. */
    [`${prefix}_TLS_AUTHORITY`]: z.string().optional(),
    /** This client's own certificate and key, where the servers ask for them. */
    [`${prefix}_TLS_CERTIFICATE`]: z.string().optional(),
    [`${prefix}_TLS_KEY`]: z.string().optional(),
  } as Record<Name<P>, z.ZodOptional<z.ZodString>>;
}

export interface TlsFiles {
  readonly authority: Buffer;
  readonly certificate?: Buffer;
  readonly key?: Buffer;
}

/** Undefined: no TLS. Which of them go together was seen by `readEnv`. @throws ConfigError if one cannot be read */
export function readTlsFiles<P extends string>(
  prefix: P,
  config: Readonly<Partial<Record<Name<P>, string | undefined>>>,
): TlsFiles | undefined {
  const problems: string[] = [];
  const read = (name: Name<P>): Buffer | undefined => readPem(name, config[name], problems);
  const authority = read(`${prefix}_TLS_AUTHORITY`);
  const certificate = read(`${prefix}_TLS_CERTIFICATE`);
  const key = read(`${prefix}_TLS_KEY`);
  if (problems.length > 0) throw new ConfigError(problems);
  if (authority === undefined) return undefined;
  return {
    authority,
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Undefined: no path, or the file cannot be read, which is noted among the problems. */
export function readPem(name: string, path: string | undefined, problems: string[]): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    problems.push(`${name}: cannot read ${path}: ${error instanceof Error ? error.message : 'unknown'}`);
    return undefined;
  }
}
