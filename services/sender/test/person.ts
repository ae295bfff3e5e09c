/**
 * One contact for tests of the sender's core: takes commands and devices' work as a range worker
 * does, without log and store, and tells what happened as short lines of text.
 */
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import { CommandSchema, type SendCommandSchema } from '@chappe/proto/internal/commands';
import {
  DecryptResultSchema,
  EncryptResponseSchema,
  Fact,
  Verdict,
  type CryptoService,
  type EncryptRequest,
} from '@chappe/proto/internal/crypto_service';
import { AcknowledgeSchema, ResumeSchema, type UnshownReason } from '@chappe/proto/device/device_service';
import { EventFrameSchema } from '@chappe/proto/internal/events';
import { ClaimResponseSchema, type ClaimRequest, type PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { PriceBooks } from '@chappe/rating/price-book';
import type { Client } from '@chappe/rpc/client';
import { Changes } from '../src/changes.ts';
import { decide, outboundIdOf } from '../src/decide.ts';
import { applyAcknowledge, applyAttach, applyDetach } from '../src/device-work.ts';
import type { Effect } from '../src/effects.ts';
import { encryptBatch } from '../src/encrypt-batch.ts';
import { lastEnvelopeNo, type ContactState } from '../src/state.ts';

export const day = 24 * 3_600_000;
/** Any time; all tests count from here. */
export const start = Date.UTC(2026, 6, 1);

const prices = { utility: 50_000, marketing: 90_000, authentication: 40_000, service: 10_000 };
const books = PriceBooks.of([
  { version: 'b1', effectiveFromMs: 0, currency: 'USD', source: 'test', default: prices, countries: {} },
]);

export const business = 'air';
export const number = '33100000000';
const contact = phoneNumberFromDigits('33612345678');
const incarnation = 1;

export type SendInit = MessageInitShape<typeof SendCommandSchema> & { readonly id?: string };
export type CommandInit = Exclude<MessageInitShape<typeof CommandSchema>['kind'], undefined>;

/** What the person wrote: crypto's verdict on it. */
export type Written = 'reply' | 'stop' | 'start' | 'session_ack' | 'repeat' | 'undecryptable';

const factOf = { reply: [Fact.REPLY], stop: [Fact.REPLY, Fact.STOP_WORD], start: [Fact.REPLY, Fact.START_WORD] };

export class Person {
  readonly state: ContactState;
  readonly #decided = new Set<string>();
  #commands = 0;
  /** False: the device's prekeys cannot be claimed. */
  hasPreKeys = true;

  constructor() {
    this.state = {
      number: contact,
      contact: { devices: [], identityKey: '' },
      relations: new Map(),
      sessions: new Map(),
      mailboxes: new Map(),
      waiting: new Map(),
      laneNo: 0,
      heldRecords: 0,
    };
  }

  /** With an opt-in and one device, 1, that is not attached. */
  static reachable(): Person {
    const person = new Person();
    person.register(1);
    person.command({ case: 'optIn', value: { business, source: 'test', wording: 'yes' } });
    return person;
  }

  register(device: number, options: { identity?: string; primary?: boolean } = {}): Effect[] {
    const { identity = 'identity-1', primary = true } = options;
    const identityKey = Buffer.from(identity);
    return this.command({
      case: 'deviceRegistered',
      value: { device, registrationId: device, identityKey, primary },
    });
  }

  send(init: SendInit = {}, timeMs = start): Effect[] {
    const { id = `m${this.#commands + 1}`, ...send } = init;
    const value = { business, number, category: 'utility', country: 'FR', ttlMs: BigInt(30 * day), ...send };
    return this.command({ case: 'send', value: { ...value, sealedBody: Buffer.from(`body of ${id}`) } }, timeMs, id);
  }

  writes(what: Written, timeMs = start, device = 1): Effect[] {
    return this.command(
      { case: 'inbound', value: { business, number, device, ciphertext: new Uint8Array(1) } },
      timeMs,
      undefined,
      what,
    );
  }

  tick(timeMs: number): Effect[] {
    return this.command({ case: 'tick', value: {} }, timeMs);
  }

  /** Decides one command and applies what was decided; nothing is encrypted. */
  command(kind: CommandInit, timeMs = start, id?: string, what?: Written): Effect[] {
    return this.#decide(new Changes({ incarnation, eventBuckets: 1 }), kind, timeMs, id, what);
  }

  /** A turn: commands, then what goes out is encrypted. What happened, as lines. */
  async turn(work: (person: Person, changes: Changes) => void, timeMs = start): Promise<string[]> {
    const changes = new Changes({ incarnation, eventBuckets: 1 });
    work(this, changes);
    await encryptBatch(this.#peers(), changes, incarnation, timeMs);
    return [
      ...eventLines(changes),
      ...changes.envelopes.map(
        ({ device, envelopeNo, messageId, sessionNo }) =>
          `envelope ${envelopeNo} to device ${device}: ${messageId} under session ${sessionNo}`,
      ),
    ];
  }

  /** As `send`, within a turn. */
  sendIn(changes: Changes, id: string, init: SendInit = {}, timeMs = start): Effect[] {
    const value = { business, number, category: 'utility', country: 'FR', ttlMs: BigInt(30 * day), ...init };
    const kind: CommandInit = { case: 'send', value: { ...value, sealedBody: Buffer.from(`body of ${id}`) } };
    return this.#decide(changes, kind, timeMs, id);
  }

  commandIn(changes: Changes, kind: CommandInit, timeMs = start): Effect[] {
    return this.#decide(changes, kind, timeMs);
  }

  writesIn(changes: Changes, what: Written, timeMs = start, device = 1, replyId?: string): Effect[] {
    const value = { business, number, device, ciphertext: new Uint8Array(1) };
    const id = replyId === undefined ? undefined : `${device}:${replyId}`;
    return this.#decide(changes, { case: 'inbound', value }, timeMs, id, what);
  }

  attach(changes: Changes, resume: { incarnation: number; number: number }, device = 1): number {
    const { incarnation: of, number: at } = resume;
    const resumed = create(ResumeSchema, { incarnation: of, number: BigInt(at) });
    return applyAttach(changes, this.state, device, resumed).pushedNo;
  }

  detach(changes: Changes, pushedNo: number, device = 1): void {
    applyDetach(changes, this.state, device, pushedNo);
  }

  acknowledge(
    changes: Changes,
    through: number,
    undecryptable: readonly { number: number; sessionNo: number }[] = [],
    options: { device?: number; incarnation?: number; unshown?: readonly [number, UnshownReason][] } = {},
  ): void {
    const { device = 1 } = options;
    const message = create(AcknowledgeSchema, {
      incarnation: options.incarnation ?? this.state.mailboxes.get(device)?.incarnation ?? incarnation,
      through: BigInt(through),
      unshown: (options.unshown ?? []).map(([no, reason]) => ({ number: BigInt(no), reason })),
      undecryptable: undecryptable.map((entry) => ({ ...entry, number: BigInt(entry.number), from: number })),
    });
    applyAcknowledge(changes, this.state, device, message, start);
  }

  lastEnvelopeNo(device = 1): number {
    const mailbox = this.state.mailboxes.get(device);
    return mailbox === undefined ? 0 : lastEnvelopeNo(mailbox);
  }

  #decide(changes: Changes, kind: CommandInit, timeMs: number, id?: string, what?: Written): Effect[] {
    this.#commands += 1;
    const commandId = id ?? `c${this.#commands}`;
    const facts = { id: commandId, appendTimeMs: timeMs, isRepeat: this.#decided.has(commandId), books };
    const command = create(CommandSchema, { kind });
    const decrypted = what === undefined ? {} : { decrypted: decryptedAs(what, outboundIdOf(commandId)) };
    const effects = decide(this.state, command, { ...facts, ...decrypted });
    for (const effect of effects) changes.apply(this.state, effect, { id: commandId, timeMs });
    if (kind.case === 'send' || effects.some((effect) => effect.kind === 'received')) this.#decided.add(commandId);
    return effects;
  }

  /** The services beside the sender, scripted: every device has a bundle, every text a ciphertext. */
  #peers(): { crypto: Client<typeof CryptoService>; preKeys: Client<typeof PreKeyService> } {
    const identityKey = Buffer.from(this.state.contact.devices[0]?.identityKey ?? '', 'base64');
    const claim = async ({ claims }: ClaimRequest) =>
      create(ClaimResponseSchema, { results: claims.map(() => (this.hasPreKeys ? { bundle: { identityKey } } : {})) });
    return { crypto: { encrypt } as never, preKeys: { claim } as never };
  }
}

async function encrypt({ sessions }: EncryptRequest) {
  return create(EncryptResponseSchema, {
    sessions: sessions.map(({ plaintexts, nextVersion, incarnation: of }) => ({
      session: { sealed: Uint8Array.of(1), version: nextVersion, incarnation: of },
      results: plaintexts.map(({ messageId }) => ({ ciphertext: Buffer.from(messageId) })),
    })),
  });
}

function decryptedAs(what: Written, messageId: string) {
  if (what === 'repeat') return create(DecryptResultSchema, { verdict: Verdict.REPEAT });
  if (what === 'undecryptable') return create(DecryptResultSchema, { verdict: Verdict.UNDECRYPTABLE });
  const facts = what === 'session_ack' ? [Fact.SESSION_ACK] : factOf[what];
  return create(DecryptResultSchema, { verdict: Verdict.OK, facts, messageId, sealedBody: Uint8Array.of(7) });
}

function eventLines(changes: Changes): string[] {
  return changes.events.frames('r', incarnation, 0).flatMap(({ frame }) =>
    fromBinary(EventFrameSchema, frame).events.map(({ kind }) => {
      switch (kind.case) {
        case 'state': {
          const { messageId, state, code } = kind.value;
          return `${messageId} ${state}${code === 0 ? '' : ` (${code})`}`;
        }
        case 'optIn':
          return `${kind.value.state} by ${kind.value.cause}`;
        case 'block':
          return kind.value.blocked ? 'blocked' : 'unblocked';
        case 'identity':
          return `identity changed, policy ${kind.value.policy}`;
        case 'received':
          return `received ${kind.value.messageId}`;
        case undefined:
          return 'nothing';
      }
    }),
  );
}

/** Of one decided command: accepted, or the code with which it was refused. */
export function verdictOf(effects: readonly Effect[]): string {
  for (const effect of effects) {
    if (effect.kind === 'accept') return effect.held === '' ? 'accepted' : `accepted, held: ${effect.held}`;
    if (effect.kind === 'refuse') return effect.failure.reason;
    if (effect.kind === 'drop') return `dropped: ${effect.reason}`;
  }
  return effects.map(({ kind }) => kind).join(', ');
}
