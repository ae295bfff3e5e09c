import { catalogue, type CatalogueEntry, type ErrorName } from './catalogue.ts';

/** The one class of errors that may reach a caller. Anything else is a bug and becomes `internal`. */
export class ChappeError extends Error {
  readonly reason: ErrorName;
  /** With retry `same`: how long to wait at least. */
  readonly retryAfterMs: number | undefined;

  /** @param detail what was wrong in this case and what to do about it; never content or keys. */
  constructor(reason: ErrorName, detail: string, options?: ErrorOptions & { retryAfterMs?: number }) {
    super(detail, options);
    this.name = 'ChappeError';
    this.reason = reason;
    this.retryAfterMs = options?.retryAfterMs;
  }

  get entry(): CatalogueEntry {
    return catalogue[this.reason];
  }
}

/** Any error as one that a caller may see. The original stays as its cause. */
export function toChappeError(error: unknown): ChappeError {
  if (error instanceof ChappeError) return error;
  return new ChappeError('internal', 'an unexpected fault; the service log has it', { cause: error });
}
