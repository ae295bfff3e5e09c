/** The scalar types that our proto files have: for each, the text that writes one, reads one and names its zero. */
import { ScalarType, type DescField } from '@bufbuild/protobuf';

export interface Scalar {
  /** 0: varint, 1: eight bytes, 2: with its length. */
  readonly wireType: 0 | 1 | 2;
  readonly zero: string;
  /** Whether `v`, which is not undefined, is not zero. */
  readonly isNotZero: string;
  /** Whether a value is none of its type; '': anything is one. */
  readonly isWrong: (value: string) => string;
  readonly isWrongText: string;
  readonly write: (value: string) => string;
  readonly read: (end: string) => string;
}

const text: Scalar = {
  wireType: 2,
  zero: "''",
  isNotZero: "v !== ''",
  isWrong: (value) => `typeof ${value} !== 'string'`,
  isWrongText: 'a text',
  write: (value) => `w.text(${value});`,
  read: (end) => `r.text(${end})`,
};

const bytes: Scalar = {
  wireType: 2,
  zero: 'new Uint8Array(0)',
  isNotZero: 'v.length !== 0',
  isWrong: (value) => `!(${value} instanceof Uint8Array)`,
  isWrongText: 'bytes',
  write: (value) => `w.bytes(${value});`,
  read: (end) => `r.bytes(${end})`,
};

const bool: Scalar = {
  wireType: 0,
  zero: 'false',
  isNotZero: 'v !== false',
  isWrong: (value) => `typeof ${value} !== 'boolean'`,
  isWrongText: 'true or false',
  write: (value) => `w.varint(${value} ? 1 : 0);`,
  read: () => 'r.bool()',
};

const uint32: Scalar = {
  wireType: 0,
  zero: '0',
  isNotZero: 'v !== 0',
  isWrong: (value) => `${value} >>> 0 !== ${value}`,
  isWrongText: 'an unsigned 32-bit integer',
  write: (value) => `w.varint(${value});`,
  read: () => 'r.uint32()',
};

const int32: Scalar = {
  wireType: 0,
  zero: '0',
  isNotZero: 'v !== 0',
  isWrong: (value) => `(${value} | 0) !== ${value}`,
  isWrongText: 'a 32-bit integer',
  write: (value) => `if (${value} < 0) w.varint64(BigInt(${value})); else w.varint(${value});`,
  read: () => '(r.uint32() | 0)',
};

const uint64: Scalar = {
  wireType: 0,
  zero: '0n',
  isNotZero: 'v !== 0n',
  isWrong: (value) => `typeof ${value} !== 'bigint' || BigInt.asUintN(64, ${value}) !== ${value}`,
  isWrongText: 'an unsigned 64-bit integer',
  write: (value) => `w.varint64(${value});`,
  read: () => 'r.uint64()',
};

const int64: Scalar = {
  wireType: 0,
  zero: '0n',
  isNotZero: 'v !== 0n',
  isWrong: (value) => `typeof ${value} !== 'bigint' || BigInt.asIntN(64, ${value}) !== ${value}`,
  isWrongText: 'a 64-bit integer',
  write: (value) => `w.varint64(${value});`,
  read: () => 'r.int64()',
};

const double: Scalar = {
  wireType: 1,
  zero: '0',
  isNotZero: '!Object.is(v, 0)',
  isWrong: (value) => `typeof ${value} !== 'number'`,
  isWrongText: 'a number',
  write: (value) => `w.double(${value});`,
  read: () => 'r.double()',
};

const scalars = new Map<ScalarType, Scalar>([
  [ScalarType.STRING, text],
  [ScalarType.BYTES, bytes],
  [ScalarType.BOOL, bool],
  [ScalarType.UINT32, uint32],
  [ScalarType.INT32, int32],
  [ScalarType.UINT64, uint64],
  [ScalarType.INT64, int64],
  [ScalarType.DOUBLE, double],
]);

/** Of a field, or of what a list or map holds, that is no message. @throws Error for a type that none of our proto files has */
export function scalarOf(field: DescField): Scalar {
  // Enumerations are open: any 32-bit integer may come.
  if (field.enum !== undefined) return int32;
  const scalar = field.scalar === undefined ? undefined : scalars.get(field.scalar);
  if (scalar === undefined) throw new Error(`the codec does not know the type of ${nameOf(field)}`);
  return scalar;
}

export function nameOf(field: DescField): string {
  return `${field.parent.name}.${field.localName}`;
}
