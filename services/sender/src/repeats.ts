/**
 * Which sends and replies of a batch were decided before: in the store, or earlier in the batch.
 *
 * A send is known by its message id. A reply is known by the id inside its ciphertext; where that cannot be
 * read, by the Outbound's, which is the same.
 */
import { Fact, Verdict, type DecryptResult } from '@chappe/proto/internal/crypto_service';
import type { InboundCommand } from '@chappe/proto/internal/commands';
import type { Store } from '@chappe/store/store';
import { knownMessageIds, knownReplies, replyName } from './contact-store.ts';
import { outboundIdOf } from './decide.ts';
import type { ReadableCommand } from './read-commands.ts';

export type Decrypted = ReadonlyMap<InboundCommand, DecryptResult>;

export class Repeats {
  readonly #known: Set<string>;
  readonly #decrypted: Decrypted;

  private constructor(known: Set<string>, decrypted: Decrypted) {
    this.#known = known;
    this.#decrypted = decrypted;
  }

  static async find(store: Store, commands: readonly ReadableCommand[], decrypted: Decrypted): Promise<Repeats> {
    const messageIds: string[] = [];
    const replyIds: string[] = [];
    for (const read of commands) {
      if (read.kind !== 'command') continue;
      const { kind } = read.command;
      if (kind.case === 'send') messageIds.push(read.record.headers.id);
      const reply = kind.case === 'inbound' ? replyOf(read.record.headers.id, decrypted.get(kind.value)) : undefined;
      if (reply !== undefined) replyIds.push(reply.id);
    }
    const [messages, replies] = await Promise.all([knownMessageIds(store, messageIds), knownReplies(store, replyIds)]);
    return new Repeats(messages.union(replies), decrypted);
  }

  /** Asked once for each command, in log order: from then on it is known. */
  isRepeat({
    command: { kind },
    contact,
    record: { headers },
  }: Extract<ReadableCommand, { kind: 'command' }>): boolean {
    if (kind.case === 'send') return this.#takeIsKnown(headers.id, true);
    if (kind.case !== 'inbound') return false;
    const reply = replyOf(headers.id, this.#decrypted.get(kind.value));
    if (reply === undefined) return false;
    return this.#takeIsKnown(replyName(contact, kind.value.device, reply.id), reply.isRead);
  }

  #takeIsKnown(name: string, isKnownFromNowOn: boolean): boolean {
    const isKnown = this.#known.has(name);
    if (isKnownFromNowOn) this.#known.add(name);
    return isKnown;
  }
}

/** Undefined for a session acknowledgement: any number of them do no harm. */
function replyOf(
  recordId: string,
  decrypted: DecryptResult | undefined,
): { readonly id: string; readonly isRead: boolean } | undefined {
  if (decrypted?.verdict !== Verdict.OK) return { id: outboundIdOf(recordId), isRead: false };
  return decrypted.facts.includes(Fact.SESSION_ACK) ? undefined : { id: decrypted.messageId, isRead: true };
}
