/**
 * What is kept of a request's content, to tell a repeat from another request under the same idempotency key: an HMAC.
 *
 * Its key is derived from the data key of the business and day, which rests in the database only as crypto
 * has wrapped it. So whoever has the database cannot confirm a guess at a short text. A data key is destroyed after 65
 * days, request keys are kept for 30: the key of a row is always there.
 */
import { createHmac } from 'node:crypto';
import type { SealKey } from '@chappe/seal/seal';

/** Derived once for each key that is in use. */
const derived = new WeakMap<SealKey, Buffer>();

/** @param digest of the request's content, which is not kept itself */
export function keyedDigest(key: SealKey, digest: Uint8Array): Buffer {
  return createHmac('sha256', derivedFrom(key)).update(digest).digest();
}

/** Another key than the one that bodies are sealed under. */
function derivedFrom(key: SealKey): Buffer {
  const known = derived.get(key);
  if (known !== undefined) return known;
  const made = createHmac('sha256', key.bytes).update('request-digest').digest();
  derived.set(key, made);
  return made;
}
