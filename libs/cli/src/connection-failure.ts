/**
 * Why there was no connection, from the words that grpc-js, Node and OpenSSL have for it: they come as text only.
 * With other words a failure is told as it came.
 */
import { ExitCode } from './exit-code.ts';

export interface ConnectionFailure {
  readonly exitCode: number;
  readonly detail: string;
  readonly todo: string;
}

/** @param message of a ChappeError `notReady`; undefined: a server answered, or the reason is not known */
export function describeConnectionFailure(message: string): ConnectionFailure | undefined {
  return failures.find(({ words }) => words.test(message));
}

const failures: readonly (ConnectionFailure & { readonly words: RegExp })[] = [
  {
    words: /ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|Name resolution failed/i,
    exitCode: ExitCode.unavailable,
    detail: 'nobody answers there',
    todo: 'Is the node running? `chappe up` starts one; --address or CHAPPE_ADDRESS names another.',
  },
  {
    words: /wrong version number|packet length too long/i,
    exitCode: ExitCode.failed,
    detail: 'the server there speaks no TLS',
    todo: 'Leave --tls and --tls-authority (CHAPPE_TLS, CHAPPE_TLS_AUTHORITY) away, or name the port with TLS.',
  },
  {
    words: /certificate has expired|certificate is not yet valid/i,
    exitCode: ExitCode.failed,
    detail: "the server's certificate is out of its time",
    todo: "Renew it; if it is valid, this machine's clock is wrong.",
  },
  {
    words: /does not match certificate's altnames/i,
    exitCode: ExitCode.failed,
    detail: "the server's certificate is for another name",
    todo: 'Name the server as its certificate does: in --address, or with --tls-server-name.',
  },
  {
    words: /Setting the TLS ServerName to an IP address/i,
    exitCode: ExitCode.usage,
    detail: 'with TLS a server is checked by its name, and an IP address is none',
    todo: 'Give a name in --address, or the one in its certificate with --tls-server-name.',
  },
  {
    words: /unable to (verify|get)|self-signed certificate|signature failure|unsupported certificate/i,
    exitCode: ExitCode.failed,
    detail: "the server's certificate is of an authority that is not trusted here",
    todo: "Give who signed it with --tls-authority (CHAPPE_TLS_AUTHORITY). If you have: this is another's server.",
  },
  {
    words: /Last error: .*(Failed to connect|ECONNRESET|hang up|disconnected before secure TLS)/i,
    exitCode: ExitCode.unavailable,
    detail: 'the connection was closed before anything was said',
    todo: 'A port with TLS wants --tls or --tls-authority; a port that is not for gRPC, another address.',
  },
  {
    words: /no answer from/i,
    exitCode: ExitCode.unavailable,
    detail: 'nobody answers there',
    todo: 'Is it the right port? --address or CHAPPE_ADDRESS names another.',
  },
];
