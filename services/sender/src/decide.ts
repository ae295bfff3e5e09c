/**
 * What happens to a contact: a pure function of (state, command, append time), for every kind of
 * command. It reads no clock and does no I/O, so a replay of the log decides the same.
 */
import { Fact, Verdict, type DecryptResult } from '@chappe/proto/internal/crypto_service';
import type { Command, DeviceRegistered, InboundCommand, OptInCommand } from '@chappe/proto/internal/commands';
import type { PriceBooks } from '@chappe/rating/price-book';
import { decideSend } from './decide-send.ts';
import type { Effect, Failure } from './effects.ts';
import { devicesMax, expiryGraceMs } from './limits.ts';
import { mayBePushed, noRelation, type ContactState, type Device, type Message, type Relation } from './state.ts';

export interface CommandFacts {
  /** The record's id: the message id of a send. */
  readonly id: string;
  readonly appendTimeMs: number;
  /** A send with this id was decided before. */
  readonly isRepeat: boolean;
  /** Of an inbound command: what crypto made of it. */
  readonly decrypted?: DecryptResult;
  readonly books: PriceBooks;
}

export function decide(state: ContactState, command: Command, facts: CommandFacts): Effect[] {
  const { kind } = command;
  const now = facts.appendTimeMs;
  switch (kind.case) {
    case 'send':
      return decideSend(state, kind.value, { ...facts, messageId: facts.id });
    case 'inbound':
      return decideInbound(state, kind.value, facts.decrypted, now);
    case 'deviceRegistered':
      return decideDeviceRegistered(state, kind.value);
    case 'optIn':
      return decideOptIn(state, kind.value);
    case 'optOut':
      return optOut(state, kind.value.business, 'business');
    case 'block':
      return decideBlock(state, kind.value.business, kind.value.number, kind.value.blocked);
    case 'cancel':
      return decideCancel(state, kind.value.business, kind.value.messageId);
    case 'acknowledgeIdentity':
      return decideAcknowledgeIdentity(state, kind.value.business);
    case 'tick':
      return decideTick(state, now);
    case undefined:
      throw new Error('a command without a kind is held before it is decided');
  }
}

function decideInbound(
  state: ContactState,
  command: InboundCommand,
  decrypted: DecryptResult | undefined,
  now: number,
): Effect[] {
  if (!state.contact.devices.some(({ device }) => device === command.device)) {
    return [{ kind: 'drop', reason: 'unknown_device' }];
  }
  if (decrypted === undefined || decrypted.verdict === Verdict.UNDECRYPTABLE) {
    return [{ kind: 'drop', reason: 'undecryptable' }];
  }
  if (decrypted.verdict !== Verdict.OK) return [{ kind: 'drop', reason: 'repeat' }];

  const effects: Effect[] = [{ kind: 'acknowledge_session', number: command.number, device: command.device }];
  const { facts } = decrypted;
  if (facts.includes(Fact.SESSION_ACK)) return effects;

  const { business, number } = command;
  const before = state.relations.get(business) ?? noRelation;
  const opened: Relation = { ...before, lastInboundMs: { ...before.lastInboundMs, [number]: now } };
  effects.push({
    kind: 'received',
    business,
    number,
    messageId: decrypted.messageId,
    sealedBody: decrypted.sealedBody,
  });

  if (facts.includes(Fact.STOP_WORD)) return [...effects, ...optOut(state, business, 'stop_word', opened)];
  if (facts.includes(Fact.START_WORD) && opened.optIn !== 'opted_in') {
    const relation: Relation = {
      ...opened,
      optIn: 'opted_in',
      source: 'start word',
      wording: 'the person sent a start word',
      givenAtMs: now,
    };
    return [
      ...effects,
      { kind: 'set_relation', business, relation },
      { kind: 'opt_in_changed', business, optIn: 'opted_in', cause: 'start_word' },
    ];
  }
  return [...effects, { kind: 'set_relation', business, relation: opened }];
}

function decideDeviceRegistered(state: ContactState, command: DeviceRegistered): Effect[] {
  const device: Device = {
    device: command.device,
    registrationId: command.registrationId,
    identityKey: Buffer.from(command.identityKey).toString('base64'),
  };
  if (
    state.contact.devices.some((known) => known.device === device.device && known.identityKey === device.identityKey)
  ) {
    return [{ kind: 'drop', reason: 'repeat' }];
  }
  if (!command.primary) {
    if (state.contact.devices.length >= devicesMax) return [{ kind: 'drop', reason: 'too_many_devices' }];
    return [{ kind: 'add_device', device }];
  }
  const replace: Effect = { kind: 'replace_devices', device };
  const { identityKey } = state.contact;
  if (identityKey === '' || identityKey === device.identityKey) {
    return [...[...state.waiting.values()].map((message) => requeue(message, '')), replace];
  }
  return [...newIdentity(state, device), replace];
}

/**
 * The number may belong to a new person: windows close, opt-ins are unconfirmed, and what nobody
 * has seen is held, sent to the new identity or failed, as the business of each message chose.
 */
function newIdentity(state: ContactState, device: Device): Effect[] {
  const effects: Effect[] = [];
  for (const [business, relation] of state.relations) {
    const optIn = relation.optIn === 'opted_in' ? 'unconfirmed' : relation.optIn;
    const identityPending = relation.identityPolicy !== 'resend';
    effects.push(
      {
        kind: 'set_relation',
        business,
        relation: { ...relation, optIn, identityPending, lastInboundMs: {}, blocked: false },
      },
      { kind: 'identity_changed', business, policy: relation.identityPolicy, identityKey: device.identityKey },
    );
    if (optIn !== relation.optIn) effects.push({ kind: 'opt_in_changed', business, optIn, cause: 'identity_changed' });
  }
  for (const message of state.waiting.values()) {
    switch (message.identityPolicy) {
      case 'hold':
        effects.push(requeue(message, 'identity'));
        break;
      case 'resend':
        effects.push(requeue(message, ''));
        break;
      case 'fail':
        effects.push(fail(message, { reason: 'identityChanged', detail: 'the identity behind the number changed' }));
        break;
    }
  }
  return effects;
}

function decideOptIn(state: ContactState, command: OptInCommand): Effect[] {
  const { business, source, wording } = command;
  const before = state.relations.get(business) ?? noRelation;
  const relation: Relation = { ...before, optIn: 'opted_in', source, wording, givenAtMs: Number(command.givenAtMs) };
  const effects: Effect[] = [{ kind: 'set_relation', business, relation }];
  if (before.optIn !== 'opted_in')
    effects.push({ kind: 'opt_in_changed', business, optIn: 'opted_in', cause: 'business' });
  return effects;
}

function optOut(
  state: ContactState,
  business: string,
  cause: 'business' | 'stop_word',
  relation: Relation = state.relations.get(business) ?? noRelation,
): Effect[] {
  const effects: Effect[] = [{ kind: 'set_relation', business, relation: { ...relation, optIn: 'opted_out' } }];
  if (relation.optIn !== 'opted_out') effects.push({ kind: 'opt_in_changed', business, optIn: 'opted_out', cause });
  const failure: Failure = { reason: 'optedOut', detail: 'the person asked for no more messages' };
  for (const message of state.waiting.values()) {
    // What a device may have is out of reach; it ends by its receipt or its expiry.
    if (message.business === business && !mayBePushed(state, message.messageId)) effects.push(fail(message, failure));
  }
  return effects;
}

function decideBlock(state: ContactState, business: string, number: string, blocked: boolean): Effect[] {
  const before = state.relations.get(business) ?? noRelation;
  if (before.blocked === blocked) return [{ kind: 'drop', reason: 'unchanged' }];
  const effects: Effect[] = [
    { kind: 'set_relation', business, relation: { ...before, blocked } },
    { kind: 'block_changed', business, number, blocked },
  ];
  if (!blocked) return effects;
  const failure: Failure = { reason: 'undeliverable', detail: 'the person cannot be reached by this business' };
  for (const message of state.waiting.values()) if (message.business === business) effects.push(fail(message, failure));
  return effects;
}

function decideCancel(state: ContactState, business: string, messageId: string): Effect[] {
  const message = state.waiting.get(messageId);
  if (message === undefined || message.business !== business || mayBePushed(state, messageId)) {
    return [{ kind: 'drop', reason: 'too_late' }];
  }
  return [{ kind: 'end', message, state: 'cancelled' }];
}

function decideAcknowledgeIdentity(state: ContactState, business: string): Effect[] {
  const before = state.relations.get(business);
  if (before === undefined || !before.identityPending) return [{ kind: 'drop', reason: 'unchanged' }];
  const confirmed = before.optIn === 'unconfirmed';
  const relation: Relation = { ...before, identityPending: false, optIn: confirmed ? 'opted_in' : before.optIn };
  const effects: Effect[] = [{ kind: 'set_relation', business, relation }];
  if (confirmed) effects.push({ kind: 'opt_in_changed', business, optIn: 'opted_in', cause: 'business' });
  for (const message of state.waiting.values()) {
    if (message.business === business && message.held === 'identity') effects.push(requeue(message, ''));
  }
  return effects;
}

/** Ends what has expired, and tries again what waits for keys. */
function decideTick(state: ContactState, now: number): Effect[] {
  const effects: Effect[] = [{ kind: 'drop', reason: 'tick' }];
  for (const message of state.waiting.values()) {
    const graceMs = mayBePushed(state, message.messageId) ? expiryGraceMs : 0;
    if (message.expiresMs + graceMs <= now) effects.push({ kind: 'end', message, state: 'expired' });
    else if (message.held === 'prekeys' || message.held === 'key') effects.push(requeue(message, ''));
  }
  return effects;
}

function fail(message: Message, failure: Failure): Effect {
  return { kind: 'end', message, state: 'failed', failure };
}

function requeue(message: Message, held: '' | 'identity'): Effect {
  return { kind: 'requeue', message, held };
}
