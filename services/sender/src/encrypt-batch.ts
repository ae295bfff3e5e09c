/**
 * The second crypto call of a batch: everything that was let through, for each device, session by
 * session, in lane order. What cannot be encrypted now is held, with everything of the same
 * business number behind it (ORDER); what never can be fails with a code.
 */
import type { PreKeyBundle } from '@chappe/proto/device/keys';
import { CryptoFailure, type CryptoService, type EncryptSessionResult } from '@chappe/proto/internal/crypto_service';
import type { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import type { Client } from '@chappe/rpc/client';
import type { Changes } from './changes.ts';
import { hasRoom } from './decide-send.ts';
import { sealedOf } from './decrypt-batch.ts';
import type { Failure } from './effects.ts';
import { claimsMax, cryptoDeadlineMs, unacknowledgedSessionMs } from './limits.ts';
import {
  isPending,
  neverAgain,
  sessionKey,
  type ContactState,
  type Device,
  type Held,
  type Message,
  type Session,
} from './state.ts';

export interface EncryptDependencies {
  readonly crypto: Client<typeof CryptoService>;
  readonly preKeys: Client<typeof PreKeyService>;
}

/** One session's part of the call. */
interface Group {
  readonly state: ContactState;
  readonly number: string;
  readonly device: Device;
  readonly session: Session | undefined;
  /** A new session is started. */
  readonly renew: boolean;
  readonly messages: Message[];
  bundle: PreKeyBundle | undefined;
}

/** What became of a message on its devices. */
interface Tally {
  sent: number;
  held: Held;
  failure: Failure | undefined;
}

/** @throws ChappeError if crypto or the prekeys cannot be reached: the batch is tried again */
export async function encryptBatch(
  dependencies: EncryptDependencies,
  changes: Changes,
  incarnation: number,
  nowMs: number,
): Promise<void> {
  const tallies = new Map<Message, Tally>();
  const groups = groupBySession(changes, tallies, nowMs);
  await claimBundles(dependencies, groups, incarnation);
  const unusable = await encryptGroups(dependencies, groups, changes, tallies, incarnation, nowMs);
  if (unusable.length > 0) {
    const renewed = unusable.map((group) => ({ ...group, renew: true }));
    await claimBundles(dependencies, renewed, incarnation);
    const still = await encryptGroups(dependencies, renewed, changes, tallies, incarnation, nowMs);
    for (const group of still) holdGroup(group, 'prekeys', tallies);
  }
  settleMessages(changes, tallies, nowMs);
}

function groupBySession(changes: Changes, tallies: Map<Message, Tally>, nowMs: number): Group[] {
  const groups = new Map<string, Group>();
  for (const [state, works] of changes.toEncrypt) {
    /** The numbers of the envelopes that this batch makes, by device. */
    const coming = new Map<number, string[]>();
    const messages = works
      .map(({ messageId, device }) => ({ message: state.waiting.get(messageId), device }))
      .filter((work): work is { message: Message; device: number | undefined } => isReady(work.message))
      .toSorted((a, b) => a.message.laneNo - b.message.laneNo);
    for (const { message, device: only } of messages) {
      tallies.set(message, tallies.get(message) ?? { sent: 0, held: '', failure: undefined });
      for (const device of state.contact.devices) {
        if (only !== undefined && device.device !== only) continue;
        const numbers = coming.get(device.device) ?? [];
        coming.set(device.device, numbers);
        const ofNumber = numbers.filter((other) => other === message.number).length;
        if (!hasRoom(state.mailboxes.get(device.device), message.number, { all: numbers.length, ofNumber })) continue;
        const key = sessionKey(message.number, device.device);
        const name = `${state.number}/${key}`;
        const session = state.sessions.get(key);
        const group: Group = groups.get(name) ?? {
          state,
          number: message.number,
          device,
          session,
          renew: session === undefined || isUnusable(session, nowMs),
          messages: [],
          bundle: undefined,
        };
        // A message may be let through and requeued in one batch: it is encrypted once.
        if (!group.messages.includes(message)) {
          group.messages.push(message);
          numbers.push(message.number);
        }
        groups.set(name, group);
      }
    }
  }
  return [...groups.values()];
}

/** It was not held or ended later in the same batch, and nobody has shown it yet. */
function isReady(message: Message | undefined): boolean {
  return message?.sealedBody !== undefined && message.held === '';
}

function isUnusable(session: Session, nowMs: number): boolean {
  if (session.startedMs === neverAgain) return true;
  return !session.acknowledged && nowMs - session.startedMs > unacknowledgedSessionMs;
}

/** The claim names the session to be started, so that a repeated batch gets the same bundle; a lost session's is not asked for again. */
async function claimBundles(
  dependencies: EncryptDependencies,
  groups: readonly Group[],
  incarnation: number,
): Promise<void> {
  const wanting = groups.filter(({ renew }) => renew);
  for (let from = 0; from < wanting.length; from += claimsMax) {
    const part = wanting.slice(from, from + claimsMax);
    const { results } = await dependencies.preKeys.claim({
      claims: part.map(({ state, number, device, session }) => ({
        claimId: `${number}/${state.number}/${device.device}/${incarnation}/${(session?.sessionNo ?? 0) + 1}`,
        contact: state.number,
        device: device.device,
      })),
    });
    for (const [index, group] of part.entries()) {
      const bundle = results[index]?.bundle;
      const known = Buffer.from(group.device.identityKey, 'base64');
      // Another identity than the contact's log has: its registration is not here yet. Wait.
      if (bundle !== undefined && known.equals(bundle.identityKey)) group.bundle = bundle;
    }
  }
}

/** Encrypts, and applies what came back; the groups whose session must be started anew. */
async function encryptGroups(
  dependencies: EncryptDependencies,
  groups: readonly Group[],
  changes: Changes,
  tallies: Map<Message, Tally>,
  incarnation: number,
  nowMs: number,
): Promise<Group[]> {
  const ready = groups.filter(({ renew, bundle }) => !renew || bundle !== undefined);
  for (const group of groups) if (!ready.includes(group)) holdGroup(group, 'prekeys', tallies);
  if (ready.length === 0) return [];
  const response = await dependencies.crypto.encrypt(
    {
      sessions: ready.map(({ state, number, device, session, bundle, messages }) => ({
        address: { business: messages[0]?.business ?? '', number, contact: state.number, device: device.device },
        ...(session === undefined ? {} : { session: sealedOf(session) }),
        ...(bundle === undefined ? {} : { bundle }),
        plaintexts: messages.map(({ messageId, sealedBody, expiresMs }) => ({
          messageId,
          sealedBody: sealedBody ?? new Uint8Array(),
          expiresAtMs: BigInt(expiresMs),
        })),
        nextVersion: BigInt((session?.version ?? 0) + 1),
        incarnation,
      })),
    },
    { deadlineMs: cryptoDeadlineMs },
  );
  const unusable: Group[] = [];
  for (const [index, group] of ready.entries()) {
    const result = response.sessions[index];
    if (result === undefined) throw new Error('crypto answered fewer sessions than it was asked for');
    if (result.session !== undefined) takeEnvelopes(group, result, changes, tallies, nowMs);
    else if (needsNewSession(result.failure) && !group.renew) unusable.push(group);
    else holdGroup(group, result.failure === CryptoFailure.KEY_UNAVAILABLE ? 'key' : 'prekeys', tallies);
  }
  return unusable;
}

function needsNewSession(failure: CryptoFailure): boolean {
  return failure === CryptoFailure.SESSION_UNUSABLE || failure === CryptoFailure.SEAL_BROKEN;
}

function takeEnvelopes(
  group: Group,
  result: EncryptSessionResult,
  changes: Changes,
  tallies: Map<Message, Tally>,
  nowMs: number,
): void {
  const { state, number, device, session, renew } = group;
  if (result.session === undefined) return;
  const sessionNo = (session?.sessionNo ?? 0) + (renew ? 1 : 0);
  changes.setSession(state, {
    number,
    device: device.device,
    sessionNo,
    version: Number(result.session.version),
    incarnation: result.session.incarnation,
    acknowledged: renew ? false : (session?.acknowledged ?? false),
    startedMs: renew ? nowMs : (session?.startedMs ?? nowMs),
    baseKey: renew ? '' : (session?.baseKey ?? ''),
    // A copy: a view would keep the answer's whole frame for as long as the contact is cached.
    sealed: new Uint8Array(result.session.sealed),
  });
  let held: Held = '';
  for (const [index, message] of group.messages.entries()) {
    const encrypted = result.results[index];
    const tally = tallies.get(message);
    if (encrypted === undefined || tally === undefined) continue;
    if (encrypted.failure === CryptoFailure.KEY_UNAVAILABLE) held = 'key';
    if (held !== '') {
      tally.held = held;
    } else if (encrypted.failure !== CryptoFailure.UNSPECIFIED) {
      tally.failure = { reason: 'internal', detail: 'the sealed body does not open' };
    } else {
      changes.addEnvelope(state, device.device, message, sessionNo, encrypted.type, encrypted.ciphertext);
      tally.sent += 1;
    }
  }
}

function holdGroup(group: Group, held: Held, tallies: Map<Message, Tally>): void {
  for (const message of group.messages) {
    const tally = tallies.get(message);
    if (tally !== undefined) tally.held = held;
  }
}

function settleMessages(changes: Changes, tallies: Map<Message, Tally>, nowMs: number): void {
  for (const [state, works] of changes.toEncrypt) {
    for (const { messageId } of works) {
      const message = state.waiting.get(messageId);
      const tally = message === undefined ? undefined : tallies.get(message);
      if (message === undefined || tally === undefined) continue;
      if (tally.sent > 0) {
        changes.move(state, message, 'sent', nowMs);
      } else if (tally.failure !== undefined) {
        changes.move(state, message, 'failed', nowMs, tally.failure);
      } else if (tally.held !== '') {
        changes.setMessage(state, { ...message, held: tally.held });
      } else if (!isPending(state, messageId)) {
        const failure: Failure = { reason: 'mailboxFull', detail: 'too many messages wait for this person' };
        changes.move(state, message, 'failed', nowMs, failure);
      }
    }
  }
}
