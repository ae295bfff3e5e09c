/** From a prepared message to the record of its range's topic. The body leaves the open here. */
import { create } from '@bufbuild/protobuf';
import { encodeMessage } from '@chappe/codec/codec';
import type { NewRecord } from '@chappe/log/log';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import { CommandSchema, SendCommandSchema, type Command } from '@chappe/proto/internal/commands';
import { boundToBody } from '@chappe/seal/bound-to';
import { seal, type SealKey } from '@chappe/seal/seal';
import type { Business } from './businesses.ts';
import type { PreparedSend } from './prepare-send.ts';

/** Of the form of commands; senders hold what they do not know. */
const commandVersion = 1;

export function sendRecord(prepared: PreparedSend, business: Business, messageId: string, key: SealKey): NewRecord {
  const { contact, number, category, country, ttlMs, maxPriceMicros, echo, body } = prepared;
  const value = create(SendCommandSchema, {
    business: business.id,
    number,
    sealedBody: seal(key, body, boundToBody(business.id, messageId)),
    category,
    country,
    ttlMs: BigInt(ttlMs),
    echo,
    policy: business.policy,
  });
  if (maxPriceMicros !== undefined) value.maxPriceMicros = maxPriceMicros;
  return commandRecord(contact, messageId, { case: 'send', value });
}

type Kind = Exclude<Command['kind'], { case: undefined }>;

const headerKinds = {
  send: 'send',
  inbound: 'inbound',
  deviceRegistered: 'device_registered',
  optIn: 'opt_in',
  optOut: 'opt_out',
  block: 'block',
  cancel: 'cancel',
  acknowledgeIdentity: 'acknowledge_identity',
  tick: 'tick',
} as const satisfies Record<Kind['case'], string>;

export function commandRecord(contact: PhoneNumber, id: string, kind: Kind): NewRecord {
  return {
    key: contact,
    headers: { kind: headerKinds[kind.case], id, version: commandVersion },
    value: encodeMessage(CommandSchema, { kind }),
  };
}
