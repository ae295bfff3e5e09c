/** What the reader's process is asked. Its notes: see reader-process.ts. */

export type ReaderRequest =
  /** Subscribes for each business. */
  | { readonly kind: 'start'; readonly address: string; readonly apiKeys: readonly string[] }
  /** Tells what is in the ledgers since the last time. @returns how many entries that were */
  | { readonly kind: 'readLedgers' };
