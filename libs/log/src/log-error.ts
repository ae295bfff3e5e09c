/** How a log operation failed. */
export type LogErrorKind =
  /** The topic is sealed: look for a newer routing table. */
  | 'sealed'
  /** The topic was never made or was deleted. */
  | 'no_topic'
  /** Offsets are not dense or the log lost its tail: stop, a person must look. */
  | 'gap'
  /** The log cannot be reached or does not answer: try again. */
  | 'unavailable'
  /** The request breaks a limit of the port. */
  | 'invalid';

export class LogError extends Error {
  readonly kind: LogErrorKind;

  constructor(kind: LogErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LogError';
    this.kind = kind;
  }
}
