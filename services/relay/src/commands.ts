/** What devices bring into their contact's log: the records that the relay appends. */
import { create } from '@bufbuild/protobuf';
import { encodeMessage } from '@chappe/codec/codec';
import type { NewRecord } from '@chappe/log/log';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { Block, Outbound } from '@chappe/proto/device/device_service';
import { CommandSchema, type Command } from '@chappe/proto/internal/commands';

const version = 1;

export interface Registration {
  readonly device: number;
  readonly registrationId: number;
  readonly identityKey: Uint8Array;
  readonly primary: boolean;
}

export function registeredRecord(contact: PhoneNumber, id: string, registration: Registration): NewRecord {
  const command = create(CommandSchema, { kind: { case: 'deviceRegistered', value: registration } });
  return record(contact, 'device_registered', id, command);
}

export function inboundRecord(contact: PhoneNumber, device: number, business: string, outbound: Outbound): NewRecord {
  const { id, to, ciphertext, type, attempt } = outbound;
  const command = create(CommandSchema, {
    kind: { case: 'inbound', value: { business, number: to, device, ciphertext, type, attempt } },
  });
  return record(contact, 'inbound', `${device}:${id}`, command);
}

export function blockRecord(contact: PhoneNumber, device: number, business: string, block: Block): NewRecord {
  const { id, number, blocked } = block;
  const command = create(CommandSchema, { kind: { case: 'block', value: { business, number, blocked } } });
  return record(contact, 'block', `${device}:${id}`, command);
}

function record(contact: PhoneNumber, kind: string, id: string, command: Command): NewRecord {
  return { key: contact, headers: { kind, id, version }, value: encodeMessage(CommandSchema, command) };
}
