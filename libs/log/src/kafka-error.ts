/** Kafka's error codes, sorted by what the log can say of them. */
import { LogError } from './log-error.ts';

/** https://kafka.apache.org/protocol.html#protocol_error_codes */
export const codes = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopic: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  messageTooLarge: 10,
  invalidTopic: 17,
  topicAlreadyExists: 36,
  invalidConfig: 40,
  policyViolation: 44,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  invalidRecord: 87,
} as const;

/** The broker asked is not the leader, or does not know it yet: nothing was done; ask anew where it is. */
export function isElsewhere(code: number): boolean {
  return (
    code === codes.unknownTopic ||
    code === codes.leaderNotAvailable ||
    code === codes.notLeader ||
    code === codes.fencedLeaderEpoch ||
    code === codes.unknownLeaderEpoch
  );
}

/** Thrown inside the driver when `isElsewhere`, so that the leader is looked for again. */
export class ElsewhereError extends Error {
  readonly code: number;

  constructor(topic: string, code: number) {
    super(`${topic} is led elsewhere (Kafka error ${code})`);
    this.name = 'ElsewhereError';
    this.code = code;
  }
}

/** @throws ElsewhereError, or LogError for any other code. */
export function checkCode(topic: string, code: number | undefined, what: string): void {
  if (code === codes.none) return;
  if (code !== undefined && isElsewhere(code)) throw new ElsewhereError(topic, code);
  throw asFailure(topic, code, what);
}

export function asFailure(topic: string, code: number | undefined, what: string): LogError {
  if (code === codes.messageTooLarge) return new LogError('sealed', `${topic} is sealed`);
  if (code === codes.invalidTopic) return new LogError('invalid', `Kafka takes no topic named ${topic}`);
  return new LogError('unavailable', `${what} ${topic}: Kafka error ${code ?? 'without a code'}`);
}

/** Whatever failed on the way to a broker and back is `unavailable`; the cause says what it was. */
export function asLogError(error: unknown): LogError {
  if (error instanceof LogError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new LogError('unavailable', `Kafka: ${message}`, { cause: error });
}
