/**
 * The first crypto call of a batch: everything that devices sent, session by session, in log
 * order. Its verdicts are what `decide` is told; the advanced sessions go into the transaction.
 */
import { CiphertextType } from '@chappe/proto/device/device_service';
import {
  CryptoFailure,
  Verdict,
  type CryptoService,
  type DecryptResult,
  type DecryptSessionResult,
} from '@chappe/proto/internal/crypto_service';
import type { InboundCommand } from '@chappe/proto/internal/commands';
import type { Client } from '@chappe/rpc/client';
import type { Store } from '@chappe/store/store';
import type { Changes } from './changes.ts';
import { baseKeyName, knownBaseKeys } from './contact-store.ts';
import { makeFormerAnew } from './device-work.ts';
import { cryptoDeadlineMs } from './limits.ts';
import { sessionKey, type ContactState, type Session } from './state.ts';

export interface Inbound {
  readonly state: ContactState;
  readonly command: InboundCommand;
  readonly appendTimeMs: number;
}

export interface DecryptDependencies {
  readonly crypto: Client<typeof CryptoService>;
  readonly store: Store;
}

interface Group {
  readonly state: ContactState;
  readonly number: string;
  readonly device: number;
  readonly identityKey: Uint8Array;
  readonly session: Session | undefined;
  readonly items: Inbound[];
}

/**
 * What crypto made of each; undefined for devices that the contact does not have.
 *
 * @throws ChappeError if crypto cannot be reached or lacks its keys: the batch is tried again
 */
export async function decryptBatch(
  dependencies: DecryptDependencies,
  inbounds: readonly Inbound[],
  changes: Changes,
  incarnation: number,
): Promise<Map<Inbound, DecryptResult>> {
  const results = new Map<Inbound, DecryptResult>();
  const groups = groupBySession(inbounds);
  if (groups.length === 0) return results;
  const response = await dependencies.crypto.decrypt(
    {
      sessions: groups.map(({ state, number, device, identityKey, session, items }) => ({
        address: { business: items[0]?.command.business ?? '', number, contact: state.number, device },
        ...(session === undefined ? {} : { session: sealedOf(session) }),
        identityKey,
        ciphertexts: items.map(({ command }) => ({ ciphertext: command.ciphertext, type: command.type })),
        nextVersion: BigInt((session?.version ?? 0) + 1),
        incarnation,
      })),
    },
    { deadlineMs: cryptoDeadlineMs },
  );

  const starts = inbounds.some(({ command }) => command.type === CiphertextType.PRE_KEY);
  const contacts = starts ? [...new Set(groups.map(({ state }) => state.number))] : [];
  const used = await knownBaseKeys(dependencies.store, contacts);
  for (const [index, group] of groups.entries()) {
    const result = response.sessions[index];
    if (result === undefined) throw new Error('crypto answered fewer sessions than it was asked for');
    takeResult(group, result, used, changes, results);
  }
  return results;
}

function groupBySession(inbounds: readonly Inbound[]): Group[] {
  const groups = new Map<string, Group>();
  for (const inbound of inbounds) {
    const { state, command } = inbound;
    const device = state.contact.devices.find((known) => known.device === command.device);
    if (device === undefined) continue;
    const key = sessionKey(command.number, command.device);
    const name = `${state.number}/${key}`;
    const group: Group = groups.get(name) ?? {
      state,
      number: command.number,
      device: command.device,
      identityKey: Buffer.from(device.identityKey, 'base64'),
      session: state.sessions.get(key),
      items: [],
    };
    group.items.push(inbound);
    groups.set(name, group);
  }
  return [...groups.values()];
}

function takeResult(
  group: Group,
  result: DecryptSessionResult,
  used: Set<string>,
  changes: Changes,
  results: Map<Inbound, DecryptResult>,
): void {
  if (result.failure === CryptoFailure.KEY_UNAVAILABLE) throw new Error('crypto has no key for a session now');
  const { state, number, device, session } = group;
  // A prekey message whose base key started a session that is no longer here is a replay.
  const newKeys = new Set<string>();
  let replayed = false;
  let baseKey = session?.baseKey ?? '';
  for (const { verdict, baseKey: bytes } of result.results) {
    if (verdict !== Verdict.OK || bytes.length === 0) continue;
    const key = Buffer.from(bytes).toString('base64');
    if (key === baseKey || newKeys.has(key)) continue;
    if (used.has(baseKeyName(state.number, number, device, key))) replayed = true;
    newKeys.add(key);
    baseKey = key;
  }
  const refused = replayed || result.session === undefined;
  for (const [index, inbound] of group.items.entries()) {
    const decrypted = result.results[index];
    if (decrypted === undefined) continue;
    if (refused && decrypted.verdict === Verdict.OK) decrypted.verdict = Verdict.UNDECRYPTABLE;
    results.set(inbound, decrypted);
  }
  if (replayed || result.session === undefined) return;

  for (const key of newKeys) changes.baseKeys.push([state.number, number, device, key]);
  const sessionNo = (session?.sessionNo ?? 0) + newKeys.size;
  if (newKeys.size > 0) makeFormerAnew(changes, state, { number, device, sessionNo });
  changes.setSession(state, {
    number,
    device,
    sessionNo,
    version: Number(result.session.version),
    incarnation: result.session.incarnation,
    acknowledged: newKeys.size > 0 ? true : (session?.acknowledged ?? true),
    startedMs: newKeys.size > 0 ? (group.items[0]?.appendTimeMs ?? 0) : (session?.startedMs ?? 0),
    baseKey,
    // A copy, as in encrypt-batch.ts.
    sealed: new Uint8Array(result.session.sealed),
  });
}

export function sealedOf(session: Session): { sealed: Uint8Array; version: bigint; incarnation: number } {
  return { sealed: session.sealed, version: BigInt(session.version), incarnation: session.incarnation };
}
