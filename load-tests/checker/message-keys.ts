/**
 * Which message key an envelope was encrypted under, as far as the wire shows it: the sender's ratchet key and the
 * counter. Two different ciphertexts under one of them are two texts under one message key.
 *
 * Source: the Signal protocol's `wire.proto` (libsignal, rust/protocol): a version byte, the message, and behind a
 * SignalMessage 8 bytes of MAC.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

const versionBytes = 1;
const macBytes = 8;
const fields = { preKeyMessage: { message: 4 }, message: { ratchetKey: 1, counter: 2 } } as const;

/** @throws Error if it is no message of the Signal protocol */
export function messageKeyOf(ciphertext: Uint8Array, isPreKeyMessage: boolean): string {
  return keyOfMessage(isPreKeyMessage ? innerMessage(ciphertext) : ciphertext);
}

function innerMessage(bytes: Uint8Array): Uint8Array {
  const reader = new BinaryReader(bytes.subarray(versionBytes));
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === fields.preKeyMessage.message && type === WireType.LengthDelimited) return reader.bytes();
    reader.skip(type, field);
  }
  throw new Error('a prekey message holds no message');
}

function keyOfMessage(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes.subarray(versionBytes, -macBytes));
  let ratchetKey: Uint8Array | undefined;
  let counter: number | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === fields.message.ratchetKey && type === WireType.LengthDelimited) ratchetKey = reader.bytes();
    else if (field === fields.message.counter && type === WireType.Varint) counter = reader.uint32();
    else reader.skip(type, field);
  }
  if (ratchetKey === undefined || counter === undefined) throw new Error('a message names no ratchet key or counter');
  return `${Buffer.from(ratchetKey).toString('base64')}/${counter}`;
}
