/** How an installation becomes a device: the keys are made and stored, then their public halves are registered. */
import { RegistrationService } from '@chappe/proto/device/registration_service';
import type { Channel } from '@chappe/rpc/client';
import { findAccount, findOrMakeIdentity, putAccount, type Account } from './account.ts';
import type { HandsetState } from './handset-state.ts';
import { preKeysDefault } from './limits.ts';
import { makePreKeys, makeSignedPreKeys } from './prekeys.ts';

export interface RegisterOptions {
  readonly channel: Channel;
  /** E.164, with or without `+`. */
  readonly number: string;
  /** The one-time code (the only device from now on), or a link code (a further one). */
  readonly proof: { readonly code: string } | { readonly linkCode: string };
  readonly state: HandsetState;
  /** Absent: 100. Fewer make a handset cheaper to make; the server asks for more when it needs them. */
  readonly preKeyCount?: number;
  readonly now?: () => number;
}

/** Sends a one-time code to a number. @throws ChappeError */
export async function requestCode(channel: Channel, number: string): Promise<void> {
  await channel.client(RegistrationService).requestCode({ number });
}

/**
 * Registers, unless the state has an account already. A call that failed may be made again with the
 * same state: the identity stays.
 *
 * @throws ChappeError
 */
export async function registerHandset(options: RegisterOptions): Promise<Account> {
  const { channel, number, proof, state, preKeyCount = preKeysDefault, now = Date.now } = options;
  const existing = findAccount(state);
  if (existing !== undefined) return existing;
  const identity = findOrMakeIdentity(state);
  const preKeys = makePreKeys(state, preKeyCount);
  const signed = makeSignedPreKeys(state, identity.pair, now());
  state.commit();
  const registered = await channel.client(RegistrationService).register({
    number,
    proof: 'code' in proof ? { case: 'code', value: proof.code } : { case: 'linkCode', value: proof.linkCode },
    registrationId: identity.registrationId,
    identityKey: identity.pair.publicKey.serialize(),
    preKeys,
    ...signed,
  });
  const { device, credential } = registered;
  const account = { ...identity, number: number.replace(/^\+/, ''), device, credential };
  putAccount(state, account);
  state.commit();
  return account;
}
