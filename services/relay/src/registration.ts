/** RegistrationService: how an installation becomes a device of a number. */
import { randomUUID } from 'node:crypto';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import { ChappeError } from '@chappe/errors/chappe-error';
import { parsePhoneNumber, type PhoneNumber } from '@chappe/numbers/phone-number';
import { RegistrationService, type RegisterRequest } from '@chappe/proto/device/registration_service';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Store } from '@chappe/store/store';
import type { CodeSender } from './code-sender.ts';
import { registeredRecord } from './commands.ts';
import { checkPreKeys, checkRegistrationKeys } from './device-keys.ts';
import { abandon, activate, beginRegistration } from './devices.ts';
import type { Events } from './events.ts';
import { codeSendsMax } from './limits.ts';
import { issueCode, type Proof } from './registration-codes.ts';

export interface RegistrationDependencies {
  readonly store: Store;
  readonly codes: CodeSender;
  readonly appender: Pick<CommandAppender, 'append'>;
  readonly events: Events;
  readonly now: () => number;
  /** Ends the stream of a device that was removed. */
  readonly onRemoved: (contact: PhoneNumber, device: number) => void;
}

export function registrationService(dependencies: RegistrationDependencies): Implementation {
  const { store, codes, events, now } = dependencies;
  let sending = 0;
  return implement(RegistrationService, {
    async requestCode(request) {
      const { number } = parsePhoneNumber(request.number);
      if (sending >= codeSendsMax) {
        throw new ChappeError('tooManyRequests', 'too many codes are being sent; ask again', { retryAfterMs: 1_000 });
      }
      sending += 1;
      try {
        await codes.send(number, await issueCode(store, number, now()));
        events.codeSent();
      } finally {
        sending -= 1;
      }
      return {};
    },
    register: (request) => register(dependencies, request),
  });
}

async function register(
  dependencies: RegistrationDependencies,
  request: RegisterRequest,
): Promise<{ device: number; credential: string }> {
  const { store, appender, events, now, onRemoved } = dependencies;
  const { number: contact } = parsePhoneNumber(request.number);
  const proof = proofOf(request);
  const primary = proof.kind === 'code';
  const bundle = checkRegistrationKeys(request);
  checkPreKeys(request.preKeys);

  const pending = await beginRegistration(store, { contact, proof, bundle, preKeys: request.preKeys }, now()).catch(
    (error: unknown) => {
      events.registration('refused', contact, undefined);
      throw error;
    },
  );
  const { device, credential } = pending;
  const { registrationId, identityKey } = request;
  try {
    await appender.append(
      contact,
      registeredRecord(contact, randomUUID(), { device, registrationId, identityKey, primary }),
    );
  } catch (error) {
    events.commanded('device_registered', 'failed');
    events.registration('failed', contact, device);
    await abandon(store, pending, now());
    throw error;
  }
  events.commanded('device_registered', 'appended');
  for (const replaced of await activate(store, pending, primary, now())) onRemoved(contact, replaced);
  events.registration('registered', contact, device);
  return { device, credential };
}

function proofOf({ proof }: RegisterRequest): Proof {
  switch (proof.case) {
    case 'code':
      return { kind: 'code', value: proof.value };
    case 'linkCode':
      return { kind: 'link_code', value: proof.value };
    case undefined:
      throw new ChappeError(
        'parameterMissing',
        'code or link_code: ask for a code first, or make one on a registered device',
      );
  }
}
