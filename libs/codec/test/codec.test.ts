/** The codec against protobuf-es, for every message of our proto files: the same bytes, the same messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  create,
  equals,
  fromBinary,
  ScalarType,
  toBinary,
  type DescField,
  type DescFile,
  type DescMessage,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { WireError } from '@chappe/codec/wire-reader';
import { file_chappe_device_v1_device_service } from '@chappe/proto/device/device_service';
import { file_chappe_device_v1_registration_service } from '@chappe/proto/device/registration_service';
import { file_chappe_device_v1_content } from '@chappe/proto/device/content';
import { CommandSchema, file_chappe_internal_v1_commands } from '@chappe/proto/internal/commands';
import { file_chappe_internal_v1_crypto_service } from '@chappe/proto/internal/crypto_service';
import { EventFrameSchema, file_chappe_internal_v1_events } from '@chappe/proto/internal/events';
import { file_chappe_internal_v1_pre_key_service } from '@chappe/proto/internal/pre_key_service';
import { file_chappe_internal_v1_sender_service } from '@chappe/proto/internal/sender_service';
import { file_chappe_v1_billing_service } from '@chappe/proto/v1/billing_service';
import { file_chappe_v1_event_service } from '@chappe/proto/v1/event_service';
import { file_chappe_v1_message_service, TemplateContentSchema } from '@chappe/proto/v1/message_service';
import fc from 'fast-check';

const files: readonly DescFile[] = [
  file_chappe_device_v1_device_service,
  file_chappe_device_v1_registration_service,
  file_chappe_device_v1_content,
  file_chappe_internal_v1_commands,
  file_chappe_internal_v1_crypto_service,
  file_chappe_internal_v1_events,
  file_chappe_internal_v1_pre_key_service,
  file_chappe_internal_v1_sender_service,
  file_chappe_v1_billing_service,
  file_chappe_v1_event_service,
  file_chappe_v1_message_service,
];
const messages = files.flatMap((file) => file.messages);

for (const schema of messages) {
  test(`${schema.typeName} has the bytes and the fields that protobuf-es gives it`, () => {
    fc.assert(
      fc.property(messageOf(schema), (init) => {
        const expected = Buffer.from(toBinary(schema, create(schema, init)));
        assert.deepEqual(encodeMessage(schema, init), expected, 'from what a message is made from');
        assert.deepEqual(encodeMessage(schema, create(schema, init)), expected, 'from a message');
        const decoded = decodeMessage(schema, expected);
        assert.ok(equals(schema, decoded, fromBinary(schema, expected)));
        assert.deepEqual(Object.keys(decoded).toSorted(), Object.keys(fromBinary(schema, expected)).toSorted());
      }),
      { numRuns: 60 },
    );
  });
}

test('whatever bytes come, they are a message that can be written again, or they are refused', () => {
  const valid = fc.oneof(...messages.slice(0, 12).map((schema) => messageOf(schema).map((init) => ({ schema, init }))));
  fc.assert(
    fc.property(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(), (made, changes, cut) => {
      const { schema } = made;
      const bytes = Buffer.from(toBinary(schema, create(schema, made.init)));
      for (const [place, byte] of changes) if (bytes.length > 0) bytes[place % bytes.length] = byte;
      const broken = cut % 3 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
      let decoded;
      try {
        decoded = decodeMessage(schema, broken);
      } catch (error) {
        assert.ok(error instanceof WireError);
        return;
      }
      assert.ok(equals(schema, decodeMessage(schema, encodeMessage(schema, decoded)), decoded));
    }),
    { numRuns: 2_000 },
  );
});

test('fields of a later version are passed over', () => {
  const writer = new BinaryWriter();
  writer.tag(900, WireType.Varint).uint64(1n << 60n);
  writer.tag(901, WireType.Bit64).fixed64(7n);
  writer.tag(902, WireType.Bit32).fixed32(7);
  writer.tag(903, WireType.StartGroup).tag(1, WireType.Varint).uint32(5).tag(903, WireType.EndGroup);
  writer.tag(904, WireType.LengthDelimited).string('later');
  const known = encodeMessage(EventFrameSchema, { range: 'r1', eventNo: 7n });
  const { range, eventNo } = decodeMessage(EventFrameSchema, Buffer.concat([writer.finish(), known]));
  assert.deepEqual([range, eventNo], ['r1', 7n]);
});

test('a message that comes in two parts is put together', () => {
  const first = encodeMessage(CommandSchema, { kind: { case: 'send', value: { business: 'b', number: '331' } } });
  const second = encodeMessage(CommandSchema, { kind: { case: 'send', value: { number: '332' } } });
  const both = Buffer.concat([first, second]);
  assert.ok(equals(CommandSchema, decodeMessage(CommandSchema, both), fromBinary(CommandSchema, both)));
});

test('a parameter named __proto__ is a parameter', () => {
  const parameters = Object.fromEntries([['__proto__', 'x']]);
  const bytes = encodeMessage(TemplateContentSchema, { name: 'n', parameters });
  assert.deepEqual(Object.entries(decodeMessage(TemplateContentSchema, bytes).parameters), [['__proto__', 'x']]);
});

test('a value that is none of its type is refused with the name of the field, and the next message is whole', () => {
  const wrong = { range: 'r1', eventNo: -1n };
  assert.throws(() => encodeMessage(EventFrameSchema, wrong), /EventFrame\.eventNo is not an unsigned 64-bit integer/);
  const right = { range: 'r1', eventNo: 1n };
  assert.deepEqual(
    encodeMessage(EventFrameSchema, right),
    Buffer.from(toBinary(EventFrameSchema, create(EventFrameSchema, right))),
  );
});

test('a text that is not UTF-8 is refused, also when an equal text was read before', () => {
  const good = encodeMessage(EventFrameSchema, { range: 'é' });
  assert.equal(decodeMessage(EventFrameSchema, good).range, 'é');
  assert.throws(() => decodeMessage(EventFrameSchema, Buffer.from([0x0a, 1, 0xe9])), WireError);
});

test('a message larger than the scratch buffer is whole', () => {
  const ciphertext = new Uint8Array(5 * 1024 * 1024).fill(7);
  const init = { kind: { case: 'inbound', value: { ciphertext } } } as const;
  const decoded = decodeMessage(CommandSchema, encodeMessage(CommandSchema, init));
  assert.ok(decoded.kind.case === 'inbound' && Buffer.from(ciphertext).equals(decoded.kind.value.ciphertext));
});

/** Anything that a message can be made from. */
function messageOf<M extends DescMessage>(schema: M): fc.Arbitrary<MessageInitShape<M>> {
  const members = schema.members.map((member): [string, fc.Arbitrary<unknown>] => {
    if (member.kind === 'field') return [member.localName, fieldOf(member)];
    const cases = member.fields.map((field) => fieldOf(field).map((value) => ({ case: field.localName, value })));
    return [member.localName, fc.oneof(...cases)];
  });
  return fc.record(Object.fromEntries(members), { requiredKeys: [] }) as unknown as fc.Arbitrary<MessageInitShape<M>>;
}

function fieldOf(field: DescField): fc.Arbitrary<unknown> {
  if (field.fieldKind === 'list') return fc.array(valueOf(field), { maxLength: 3 });
  if (field.fieldKind === 'map') return fc.dictionary(fc.string(), valueOf(field), { maxKeys: 3 });
  return valueOf(field);
}

const scalars = new Map<ScalarType, fc.Arbitrary<unknown>>([
  [ScalarType.STRING, fc.oneof(fc.string(), fc.string({ unit: 'grapheme', maxLength: 60 }), fc.constantFrom('é', ''))],
  [ScalarType.BYTES, fc.uint8Array({ maxLength: 300 })],
  [ScalarType.BOOL, fc.boolean()],
  [ScalarType.UINT32, fc.integer({ min: 0, max: 0xffff_ffff })],
  [ScalarType.INT32, fc.integer()],
  [ScalarType.UINT64, fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt({ min: 0n, max: 300n }))],
  [ScalarType.INT64, fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })],
  [ScalarType.DOUBLE, fc.double()],
]);

function valueOf(field: DescField): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return messageOf(field.message);
  if (field.enum !== undefined) return fc.integer({ min: -2, max: 5 });
  const scalar = field.scalar === undefined ? undefined : scalars.get(field.scalar);
  if (scalar === undefined) throw new Error(`no values are known for ${field.name}`);
  return scalar;
}
