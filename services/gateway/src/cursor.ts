/**
 * Cursors: a place in a business's events, as text. Opaque to the business, and worth nothing to
 * another one: the number is marked with the business's secret.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Business } from './businesses.ts';

const numberBytes = 6;
const markBytes = 12;

/** @param no the last event that was seen; 0 for none */
export function formatCursor(business: Business, no: number): string {
  const bytes = Buffer.allocUnsafe(numberBytes + markBytes);
  bytes.writeUIntBE(no, 0, numberBytes);
  markOf(business, bytes).copy(bytes, numberBytes, 0, markBytes);
  return bytes.toString('base64url');
}

/** @throws ChappeError `parameterInvalid` for garbage and for another business's cursors alike */
export function parseCursor(business: Business, cursor: string): number {
  const bytes = Buffer.from(cursor, 'base64url');
  const isWhole = bytes.length === numberBytes + markBytes && bytes.toString('base64url') === cursor;
  if (!isWhole || !timingSafeEqual(bytes.subarray(numberBytes), markOf(business, bytes).subarray(0, markBytes))) {
    throw new ChappeError('parameterInvalid', 'cursor: not one that this business was given; start without one');
  }
  return bytes.readUIntBE(0, numberBytes);
}

function markOf(business: Business, bytes: Buffer): Buffer {
  return createHmac('sha256', business.secret).update('cursor').update(bytes.subarray(0, numberBytes)).digest();
}
