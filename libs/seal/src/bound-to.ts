/** What each kind of sealed blob is bound to: the one list, so that both ends agree. */
import { additionalData } from './seal.ts';

/** A message's body, from the gateway to crypto. Sealed under a data key. */
export function boundToBody(business: string, messageId: string): Buffer {
  return additionalData('body', business, messageId);
}

/** A reply's body, from crypto to the gateway. Sealed under a data key. */
export function boundToReply(business: string, messageId: string): Buffer {
  return additionalData('reply', business, messageId);
}

export interface SessionRow {
  readonly business: string;
  readonly number: string;
  readonly contact: string;
  readonly device: number;
  readonly version: bigint;
  readonly incarnation: number;
}

/** A session record at rest. Sealed under a sealing key of crypto. */
export function boundToSession(row: SessionRow): Buffer {
  const { business, number, contact, device, version, incarnation } = row;
  return additionalData('session', business, number, contact, device, String(version), incarnation);
}

/** A private key of a business number at rest. */
export function boundToNumberKey(number: string, kind: string, id: number): Buffer {
  return additionalData('number-key', number, kind, id);
}

/** A data key at rest. */
export function boundToDataKey(keyId: string): Buffer {
  return additionalData('data-key', keyId);
}
