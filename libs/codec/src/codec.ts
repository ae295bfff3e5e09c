/** Messages as bytes and back: what every hop of every message goes through. */
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { compileCodec, type Codec } from './compile.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

const codecs = new WeakMap<DescMessage, Codec>();
const writer = new WireWriter();

/**
 * Encodes a message, or the plain object that one is made from; what is absent has its default.
 *
 * @throws TypeError naming a field whose value is none of its type
 */
export function encodeMessage<M extends DescMessage>(schema: M, message: MessageInitShape<M>): Buffer {
  try {
    codecOf(schema).encode(message, writer);
    return writer.finish();
  } catch (error) {
    writer.reset();
    throw error;
  }
}

/**
 * Decodes a message. Its bytes fields are views of `bytes`. Fields that are not known are passed over.
 *
 * @throws WireError if the bytes are not such a message
 */
export function decodeMessage<M extends DescMessage>(schema: M, bytes: Uint8Array): MessageShape<M> {
  const reader = new WireReader(bytes);
  // Made for this type.
  return codecOf(schema).decode(reader, reader.length) as MessageShape<M>;
}

function codecOf(schema: DescMessage): Codec {
  const known = codecs.get(schema);
  if (known !== undefined) return known;
  const codec = compileCodec(schema, codecOf);
  codecs.set(schema, codec);
  return codec;
}
