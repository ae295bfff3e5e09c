/**
 * TLS towards gateway and relay: whose certificates count, and by which name the server is checked.
 * `--tls` trusts the authorities of Node and of this machine, `--tls-authority` those of one file and nobody else.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { credentials as grpcCredentials, type ChannelCredentials } from '@grpc/grpc-js';
import type { Command } from 'commander';
import { UsageError } from './failure.ts';

export interface TlsOptions {
  readonly tls?: boolean;
  readonly tlsAuthority?: string;
  readonly tlsServerName?: string;
}

/** What a client or a channel is handed; empty: open text. */
export interface ServerTrust {
  readonly credentials?: ChannelCredentials;
  readonly serverName?: string;
}

export function withTls(command: Command): Command {
  return command
    .option('--tls', 'by TLS, trusting the authorities of this machine [CHAPPE_TLS=true]')
    .option('--tls-authority <file>', 'by TLS, trusting the authorities of this PEM file [CHAPPE_TLS_AUTHORITY]')
    .option(
      '--tls-server-name <name>',
      'the name in its certificate, where the address has another [CHAPPE_TLS_SERVER_NAME]',
    );
}

/** An option, else the environment, else open text. @throws UsageError */
export function serverTrust(options: TlsOptions): ServerTrust {
  const authority = options.tlsAuthority ?? process.env['CHAPPE_TLS_AUTHORITY'];
  const serverName = options.tlsServerName ?? process.env['CHAPPE_TLS_SERVER_NAME'];
  const isAsked = options.tls ?? readSwitch('CHAPPE_TLS');
  if (authority === undefined && !isAsked) {
    if (serverName === undefined) return {};
    throw new UsageError('--tls-server-name is for TLS: give --tls or --tls-authority as well');
  }
  const trusted = authority === undefined ? authoritiesOfMachine() : readAuthorities(authority);
  return {
    credentials: grpcCredentials.createSsl(Buffer.from(trusted)),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

function readSwitch(name: string): boolean {
  const text = process.env[name];
  if (text === undefined || text === 'false') return false;
  if (text === 'true') return true;
  throw new UsageError(`${name} is true or false, not ${text}`);
}

/** What Node trusts (NODE_EXTRA_CA_CERTS included), and what was installed on this machine besides. */
function authoritiesOfMachine(): string {
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])].join('\n');
}

function readAuthorities(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read the authorities: ${error instanceof Error ? error.message : 'unknown'}`, {
      cause: error,
    });
  }
  try {
    void new X509Certificate(text);
  } catch (error) {
    throw new UsageError(
      `${path} has no certificate: --tls-authority takes a PEM file (-----BEGIN CERTIFICATE-----) of who signed the server's`,
      { cause: error },
    );
  }
  return text;
}
