/**
 * What is inside a ciphertext: `chappe.device.v1.Content`, built and parsed the same way on both
 * ends (crypto uses this file too).
 *
 * The whole is padded to a multiple of 160 bytes, so that a length says little about a text. The
 * padding is written by hand, with its length always in two bytes: every gap from 3 bytes can
 * then be filled exactly (protobuf readers accept a varint with a leading zero group).
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ContentSchema, type Content } from '@chappe/proto/device/content';

export const contentBlockBytes = 160;

/** Field 15, wire type 2 (length-delimited). */
const paddingTag = (15 << 3) | 2;
const paddingHeadBytes = 3;

export function buildContent(content: MessageInitShape<typeof ContentSchema>): Uint8Array<ArrayBuffer> {
  const bare = encodeMessage(ContentSchema, content);
  const blocks = Math.ceil((bare.length + paddingHeadBytes) / contentBlockBytes);
  const padded = new Uint8Array(blocks * contentBlockBytes);
  const paddingLength = padded.length - bare.length - paddingHeadBytes;
  padded.set(bare);
  padded.set([paddingTag, (paddingLength & 0x7f) | 0x80, paddingLength >> 7], bare.length);
  return padded;
}

/** @throws Error if it is no Content */
export function parseContent(bytes: Uint8Array): Content {
  return decodeMessage(ContentSchema, bytes);
}
