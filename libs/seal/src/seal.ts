/**
 * Sealed blobs: AES-256-GCM (NIST SP 800-38D) by node:crypto, with the key's name in front.
 *
 * Form: 1 byte version, 1 byte length of the key id, key id, 12 bytes random nonce, ciphertext,
 * 16 bytes tag. Version and key id are authenticated with the additional data, which binds a
 * blob to what it is and where it lies. Random nonces allow 2^32 seals a key (section 8.3 there);
 * keys live for a day.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

export interface SealKey {
  /** 1 to 255 bytes of UTF-8. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

export class SealError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SealError';
  }
}

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const algorithm = 'aes-256-gcm';

/** @param boundTo what the blob is, e.g. `additionalData('body', business, messageId)` */
export function seal(key: SealKey, plaintext: Uint8Array, boundTo: Uint8Array): Buffer {
  const head = headOf(key);
  const nonce = nextNonce();
  const cipher = createCipheriv(algorithm, key.bytes, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.concat([head, boundTo]));
  return Buffer.concat([head, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** @throws SealError if it was changed, was sealed under another key or is bound to something else */
export function open(key: SealKey, sealed: Uint8Array, boundTo: Uint8Array): Buffer {
  const head = headOf(key);
  const nonceAt = head.length;
  const textAt = nonceAt + nonceBytes;
  const tagAt = sealed.length - tagBytes;
  if (tagAt < textAt || !head.equals(sealed.subarray(0, nonceAt))) throw new SealError('sealed under another key');
  const decipher = createDecipheriv(algorithm, key.bytes, sealed.subarray(nonceAt, textAt), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(Buffer.concat([head, boundTo]));
  decipher.setAuthTag(sealed.subarray(tagAt));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(textAt, tagAt)), decipher.final()]);
  } catch (error) {
    throw new SealError('changed, or bound to something else', { cause: error });
  }
}

/** The id of the key that a blob is sealed under. @throws SealError if it is no sealed blob */
export function keyIdOf(sealed: Uint8Array): string {
  const length = sealed[1];
  if (sealed[0] !== version || length === undefined || sealed.length < 2 + length + nonceBytes + tagBytes) {
    throw new SealError('not a sealed blob');
  }
  return Buffer.from(sealed.buffer, sealed.byteOffset + 2, length).toString('utf8');
}

/** Joins the parts without ambiguity: each with its length in front. */
export function additionalData(purpose: string, ...parts: readonly (string | number)[]): Buffer {
  return Buffer.from([purpose, ...parts].map((part) => `${String(part).length}:${part}`).join(''), 'utf8');
}

const noncesPerRefill = 256;
let nonces = Buffer.alloc(0);
let noncesUsedBytes = 0;

/** Random bytes are drawn for many nonces at once: a call for 12 bytes costs as much as the sealing. */
function nextNonce(): Buffer {
  if (noncesUsedBytes === nonces.length) {
    nonces = randomBytes(nonceBytes * noncesPerRefill);
    noncesUsedBytes = 0;
  }
  noncesUsedBytes += nonceBytes;
  return nonces.subarray(noncesUsedBytes - nonceBytes, noncesUsedBytes);
}

const heads = new WeakMap<SealKey, Buffer>();

function headOf(key: SealKey): Buffer {
  const known = heads.get(key);
  if (known !== undefined) return known;
  const head = makeHead(key.id);
  heads.set(key, head);
  return head;
}

function makeHead(keyId: string): Buffer {
  const id = Buffer.from(keyId, 'utf8');
  if (id.length === 0 || id.length > 255) throw new SealError('a key id has 1 to 255 bytes');
  return Buffer.concat([Buffer.from([version, id.length]), id]);
}
