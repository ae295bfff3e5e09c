/** From any error to what the person reads and the exit code that a script sees. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { GrpcStatus } from '@chappe/errors/catalogue';

/** The exit codes of `chappe`. They are part of its interface. */
export const ExitCode = {
  ok: 0,
  /** Refused, failed, or a part of it was. */
  failed: 1,
  /** The command line or a file is wrong; nothing was done. */
  usage: 2,
  /** Nobody answered, or asks to come again later. */
  unavailable: 3,
} as const;

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
    if (isUnreachable(error)) return { exitCode, code, title, detail: 'nobody answers there', todo: unreachableTodo };
    return { exitCode, code, title, detail: error.message, todo: meaning };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { exitCode: ExitCode.failed, title: 'unexpected fault', detail };
}

const unreachableTodo = 'Is the node running? `chappe up` starts one; --address or CHAPPE_ADDRESS names another.';

/** The status came from gRPC itself: there was no connection, not a service that refused. */
function isUnreachable({ reason, message }: ChappeError): boolean {
  return reason === 'notReady' && /ECONNREFUSED|ENOTFOUND|ETIMEDOUT|no answer from the server/i.test(message);
}

/** E.g. `error 3001 No opt-in: ...` and, on the next line, what to do. */
export function formatFailure(failure: Failure): string {
  const head = failure.code === undefined ? `error` : `error ${failure.code} ${failure.title}`;
  return [`${head}: ${failure.detail}`, ...(failure.todo === undefined ? [] : [failure.todo])].join('\n');
}
