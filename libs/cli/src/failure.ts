/** From any error to what the person reads and the exit code that a script sees. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { GrpcStatus } from '@chappe/errors/catalogue';
import { describeConnectionFailure } from './connection-failure.ts';
import { ExitCode } from './exit-code.ts';

/** What the person can put right: the command line, a missing key, a file. */
export class UsageError extends Error {
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'UsageError';
  }
}

export interface Failure {
  readonly exitCode: number;
  readonly code?: number;
  readonly title: string;
  readonly detail: string;
  readonly todo?: string;
}

export function describeFailure(error: unknown): Failure {
  if (error instanceof UsageError) return { exitCode: ExitCode.usage, title: 'usage', detail: error.message };
  if (error instanceof ChappeError) {
    const { code, title, grpc, meaning } = error.entry;
    const exitCode = grpc === GrpcStatus.unavailable ? ExitCode.unavailable : ExitCode.failed;
    // A status that gRPC itself made: there was no connection, not a service that refused.
    const connection = error.reason === 'notReady' ? describeConnectionFailure(error.message) : undefined;
    if (connection !== undefined) {
      return { exitCode: connection.exitCode, code, title, detail: connection.detail, todo: connection.todo };
    }
    return { exitCode, code, title, detail: error.message, todo: meaning };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { exitCode: ExitCode.failed, title: 'unexpected fault', detail };
}

/** E.g. `error 3001 No opt-in: ...` and, on the next line, what to do. */
export function formatFailure(failure: Failure): string {
  const head = failure.code === undefined ? `error` : `error ${failure.code} ${failure.title}`;
  return [`${head}: ${failure.detail}`, ...(failure.todo === undefined ? [] : [failure.todo])].join('\n');
}
