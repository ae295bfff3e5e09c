/**
 * The port to blobs: immutable byte strings under keys, as S3 keeps objects.
 *
 * Drivers: a folder (`folder-blobs.ts`), later S3. Every driver passes `conformance.ts`. Keys
 * are 1 to 512 characters of `a-z A-Z 0-9 . _ - /`, in parts of at most 200 between the `/`,
 * without empty, `.` or `..` parts.
 */

export class BlobError extends Error {
  readonly kind: 'unavailable' | 'invalid_key' | 'too_large';

  constructor(kind: 'unavailable' | 'invalid_key' | 'too_large', message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BlobError';
    this.kind = kind;
  }
}

/** All methods throw `BlobError`. */
export interface Blobs extends AsyncDisposable {
  /** Writes all or nothing; at most 100 MiB. An existing blob is replaced as a whole. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** The whole blob, or undefined if there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Idempotent. */
  delete(key: string): Promise<void>;
  /** Keys with a prefix in ascending order, after `after`, at most `limit` (1,000 at most). */
  list(prefix: string, options: { after?: string; limit: number }): Promise<string[]>;
}
