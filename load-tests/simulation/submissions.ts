/** What the businesses of a simulation hand over, and the records that a gateway makes of it. */
import { encodeMessage } from '@chappe/codec/codec';
import type { NewRecord } from '@chappe/log/log';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import { CommandSchema } from '@chappe/proto/internal/commands';
import { registeredRecord } from '@chappe/relay/commands';
import { commandVersion } from '@chappe/sender/read-commands';
import { businessOf, type Device } from './people.ts';

export type Submission =
  | { readonly kind: 'message'; readonly contact: PhoneNumber; readonly number: string; readonly messageId: string }
  | { readonly kind: 'opt_in'; readonly contact: PhoneNumber; readonly business: string }
  | { readonly kind: 'device'; readonly contact: PhoneNumber; readonly device: Device };

export type Answer = { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly detail: string };

const dayMs = 24 * 3_600_000;

export function recordOf(submission: Submission): NewRecord {
  const { contact } = submission;
  switch (submission.kind) {
    case 'message': {
      const { number, messageId } = submission;
      const value = encodeMessage(CommandSchema, {
        kind: {
          case: 'send',
          value: {
            business: businessOf(number),
            number,
            sealedBody: Buffer.from(`text of ${messageId}`),
            // What one of the businesses sends is urgent.
            category: businessOf(number) === 'business-b' ? 'authentication' : 'utility',
            country: 'FR',
            ttlMs: BigInt(dayMs),
            echo: messageId,
          },
        },
      });
      return { key: contact, headers: { kind: 'send', id: messageId, version: commandVersion }, value };
    }
    case 'opt_in': {
      const { business } = submission;
      const value = encodeMessage(CommandSchema, {
        kind: { case: 'optIn', value: { business, source: 'simulation', wording: '', givenAtMs: BigInt(Date.now()) } },
      });
      return {
        key: contact,
        headers: { kind: 'opt_in', id: `${business} ${contact}`, version: commandVersion },
        value,
      };
    }
    case 'device': {
      const { device, registrationId, identityKey } = submission.device;
      const id = `${contact} ${device}`;
      return registeredRecord(contact, id, { device, registrationId, identityKey, primary: device === 1 });
    }
  }
}
