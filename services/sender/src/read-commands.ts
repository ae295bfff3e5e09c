/**
 * Records of a range topic as commands: what each can be taken for, before anything is decided.
 */
import { decodeMessage } from '@chappe/codec/codec';
import type { LogRecord } from '@chappe/log/log';
import { phoneNumberFromDigits, type PhoneNumber } from '@chappe/numbers/phone-number';
import { CommandSchema, type Command } from '@chappe/proto/internal/commands';

export const commandVersion = 1;

const kinds: ReadonlySet<string> = new Set([
  'send',
  'inbound',
  'device_registered',
  'opt_in',
  'opt_out',
  'block',
  'cancel',
  'acknowledge_identity',
  'tick',
]);

/** What can be done. `timeMs`: the latest append time up to it, as times never go back. */
export type ReadableCommand =
  | {
      readonly kind: 'command';
      readonly record: LogRecord;
      readonly timeMs: number;
      readonly contact: PhoneNumber;
      readonly command: Command;
    }
  /** Its contact is held until a person looks at it. */
  | {
      readonly kind: 'poison';
      readonly record: LogRecord;
      readonly timeMs: number;
      readonly contact: PhoneNumber;
      readonly reason: string;
    }
  /** Nobody's: alarm and go on. */
  | { readonly kind: 'dead'; readonly record: LogRecord; readonly timeMs: number; readonly reason: string };

/** A newer version of Chappe wrote it: the range waits for an upgrade. */
export interface UnknownCommand {
  readonly kind: 'unknown';
  readonly record: LogRecord;
  readonly reason: string;
}

export function readCommand(record: LogRecord, timeMs: number): ReadableCommand | UnknownCommand {
  const { kind, version } = record.headers;
  if (!kinds.has(kind) || version !== commandVersion) {
    return { kind: 'unknown', record, reason: `a command of kind ${kind}, version ${version}` };
  }
  let contact: PhoneNumber;
  try {
    contact = phoneNumberFromDigits(record.key);
  } catch {
    return { kind: 'dead', record, timeMs, reason: 'the key is not a contact' };
  }
  try {
    const command = decodeMessage(CommandSchema, record.value);
    if (command.kind.case === undefined)
      return { kind: 'poison', record, timeMs, contact, reason: 'the command is empty' };
    return { kind: 'command', record, timeMs, contact, command };
  } catch {
    return { kind: 'poison', record, timeMs, contact, reason: 'the command cannot be decoded' };
  }
}
