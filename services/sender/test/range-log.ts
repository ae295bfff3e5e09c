/** A range's topic as tests of turns write it: commands of businesses to contacts, by their places. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { LogRecord } from '@chappe/log/log';
import { CommandSchema } from '@chappe/proto/internal/commands';
import fc from 'fast-check';
import { commandVersion } from '../src/read-commands.ts';

export interface Written {
  readonly contact: number;
  /** Absent: a tick. */
  readonly business?: string;
  readonly category?: string;
  readonly bytes?: number;
}

export function contactOf(place: number): string {
  return `336${String(place).padStart(8, '0')}`;
}

export function recordOf(
  { contact, business, category = 'utility', bytes = 0 }: Written,
  offset: number,
  appendTimeMs = offset,
): LogRecord {
  const command = create(CommandSchema, {
    kind:
      business === undefined
        ? { case: 'tick', value: {} }
        : { case: 'send', value: { business, category, number: '4930123456', sealedBody: new Uint8Array(bytes) } },
  });
  return {
    key: contactOf(contact),
    headers: { kind: business === undefined ? 'tick' : 'send', id: `m${offset}`, version: commandVersion },
    value: toBinary(CommandSchema, command),
    offset,
    appendTimeMs,
  };
}

export const anyWritten: fc.Arbitrary<Written> = fc.record(
  {
    contact: fc.integer({ min: 0, max: 9 }),
    business: fc.constantFrom('a', 'b', 'c'),
    category: fc.constantFrom('marketing', 'utility', 'service', 'authentication'),
    bytes: fc.constantFrom(0, 100, 5_000),
  },
  { requiredKeys: ['contact'] },
);
