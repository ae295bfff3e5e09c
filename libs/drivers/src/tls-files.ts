/** TLS of the services' own servers, as variables of the environment: among each other, and towards businesses and devices. */
import { ConfigError } from '@chappe/config/read-env';
import { peerTls, serverTls, type PeerTls } from '@chappe/rpc/tls';
import type { ServerCredentials } from '@grpc/grpc-js';
import { z } from 'zod';
import { readPem, readTlsFiles, tlsVariables } from './access-variables.ts';

/**
 * `CHAPPE_PEER_TLS_AUTHORITY`, `_CERTIFICATE`, `_KEY`: all three, the same authority in every process. The certificate is
 * for server and client, and names what others reach this process by.
 */
export const peerVariables = tlsVariables('CHAPPE_PEER');

const peerSchema = z.object(peerVariables);
export type PeerConfig = Readonly<z.output<typeof peerSchema>>;

/** Nothing without them. @throws ConfigError if a file cannot be read */
export function readPeerTls(config: PeerConfig): { readonly peers?: PeerTls } {
  const {
    CHAPPE_PEER_TLS_AUTHORITY: authority,
    CHAPPE_PEER_TLS_CERTIFICATE: certificate,
    CHAPPE_PEER_TLS_KEY: key,
  } = config;
  if (authority === undefined || certificate === undefined || key === undefined) return {};
  // Read here once, so that what is wrong is said at the start.
  readTlsFiles('CHAPPE_PEER', config);
  return { peers: peerTls({ authority, certificate, key }) };
}

type Name<P extends string> = `${P}_TLS_CERTIFICATE` | `${P}_TLS_KEY`;

/** The variables behind a prefix: paths of PEM files. Both absent: no TLS here, so something in front must end it. */
export function serverTlsVariables<P extends string>(prefix: P): Record<Name<P>, z.ZodOptional<z.ZodString>> {
  const path = z.string().optional();
  return { [`${prefix}_TLS_CERTIFICATE`]: path, [`${prefix}_TLS_KEY`]: path } as Record<Name<P>, typeof path>;
}

/** Nothing without them. @throws ConfigError if one cannot be read */
export function readServerTls<P extends string>(
  prefix: P,
  config: Readonly<Partial<Record<Name<P>, string | undefined>>>,
): { readonly credentials?: ServerCredentials } {
  const [certificate, key] = [config[`${prefix}_TLS_CERTIFICATE`], config[`${prefix}_TLS_KEY`]];
  if (certificate === undefined || key === undefined) return {};
  // Read here once, so that what is wrong is said at the start.
  const problems: string[] = [];
  readPem(`${prefix}_TLS_CERTIFICATE`, certificate, problems);
  readPem(`${prefix}_TLS_KEY`, key, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { credentials: serverTls({ certificate, key }) };
}
