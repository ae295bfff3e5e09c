/**
 * What happens to a contact: a pure function of (state, command, append time), for every kind of
 * command. It reads no clock and does no I/O, so a replay of the log decides the same.
 */
import { Fact, Verdict, type DecryptResult } from '@chappe/proto/internal/crypto_service';
import type { Command, DeviceRegistered, InboundCommand, OptInCommand } from '@chappe/proto/internal/commands';
import type { PriceBooks } from '@chappe/rating/price-book';
import { decideSend } from './decide-send.ts';
import { unreachable, type Effect, type Failure } from './effects.ts';
import { clockAlarmMs, devicesMax, expiryGraceMs } from './limits.ts';
import { mayBePushed, noRelation, type ContactState, type Device, type Message, type Relation } from './state.ts';

export interface CommandFacts {
  /** The record's id: the message id of a send. */
  readonly id: string;
  readonly appendTimeMs: number;
  /** A send with this id was decided before; a reply with this id, or the one inside it, was received. */
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
      return decideInbound(state, kind.value, facts);
    case 'deviceRegistered':
      return decideDeviceRegistered(state, kind.value);
    case 'optIn':
      return decideOptIn(state, kind.value);
    case 'optOut':
      return optOut(state, kind.value.business, 'business', now);
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

/**
 * A ciphertext that crypto calls a repeat is one only if its reply was received: a device that was
 * restored from a backup encrypts other texts under message keys that it has used before.
 */
function decideInbound(
  state: ContactState,
  command: InboundCommand,
  { id, isRepeat, decrypted, appendTimeMs: now }: CommandFacts,
): Effect[] {
  const { business, number, device, attempt } = command;
  if (!state.contact.devices.some((known) => known.device === device)) {
    return [{ kind: 'drop', reason: 'unknown_device' }];
  }
  const tell = (outcome: 'received' | 'unreadable'): Effect => {
    return { kind: 'tell_device', outcome, device, id: outboundIdOf(id), attempt };
  };
  if (decrypted === undefined || decrypted.verdict !== Verdict.OK) {
    if (isRepeat) return [{ kind: 'drop', reason: 'repeat' }, tell('received')];
    return [{ kind: 'drop', reason: 'undecryptable' }, tell('unreadable')];
  }

  const effects: Effect[] = [{ kind: 'acknowledge_session', number, device }];
  const { facts } = decrypted;
  if (facts.includes(Fact.SESSION_ACK)) return effects;
  effects.push(tell('received'));
  if (isRepeat) return [...effects, { kind: 'drop', reason: 'repeat' }];

  const before = state.relations.get(business) ?? noRelation;
  const opened: Relation = { ...before, lastInboundMs: { ...before.lastInboundMs, [number]: now } };
  effects.push({
    kind: 'received',
    business,
    number,
    device,
    messageId: decrypted.messageId,
    sealedBody: decrypted.sealedBody,
  });

  if (facts.includes(Fact.STOP_WORD)) return [...effects, ...optOut(state, business, 'stop_word', now, opened)];
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

/** The record's id is `<device>:<Outbound id>`. */
export function outboundIdOf(recordId: string): string {
  return recordId.slice(recordId.indexOf(':') + 1);
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
    // What a former change of identity holds stays held: a registration acknowledges nothing.
    const effects = [...state.waiting.values()].map((message) =>
      requeue(message, message.held === 'identity' ? 'identity' : ''),
    );
    return [...effects, replace];
  }
  return [...newIdentity(state, device), replace];
}

/**
 * The number may belong to a new person: windows close, opt-ins are unconfirmed, and what nobody
 * has seen is held, sent to the new identity or failed, as the business of each message chose.
 * ORDER: behind a message that is held, every later one of its number is held as well.
 */
function newIdentity(state: ContactState, device: Device): Effect[] {
  const messages: Effect[] = [];
  const held = new Set<string>();
  const holding = new Set<string>();
  for (const message of state.waiting.values()) {
    if (message.identityPolicy === 'fail') {
      messages.push(fail(message, { reason: 'identityChanged', detail: 'the identity behind the number changed' }));
    } else if (message.identityPolicy === 'hold' || held.has(message.number)) {
      held.add(message.number);
      holding.add(message.business);
      messages.push(requeue(message, 'identity'));
    } else {
      messages.push(requeue(message, ''));
    }
  }
  const effects: Effect[] = [];
  for (const [business, relation] of state.relations) {
    const optIn = relation.optIn === 'opted_in' ? 'unconfirmed' : relation.optIn;
    effects.push(
      {
        kind: 'set_relation',
        business,
        // Whatever the latest policy was: the next message may say `hold` or `fail`.
        relation: { ...relation, optIn, identityPending: true, lastInboundMs: {}, blocked: false },
      },
      { kind: 'identity_changed', business, policy: relation.identityPolicy, identityKey: device.identityKey },
    );
    if (optIn !== relation.optIn) effects.push({ kind: 'opt_in_changed', business, optIn, cause: 'identity_changed' });
  }
  return [...effects, ...messages];
}

function decideOptIn(state: ContactState, command: OptInCommand): Effect[] {
  const { business, source, wording } = command;
  const before = state.relations.get(business) ?? noRelation;
  const givenAtMs = Number(command.givenAtMs);
  // Given before the person asked for no more messages: an import that comes late ends nothing.
  if (before.optIn === 'opted_out' && givenAtMs < before.optedOutAtMs - clockAlarmMs)
    return [{ kind: 'drop', reason: 'older' }];
  const relation: Relation = { ...before, optIn: 'opted_in', source, wording, givenAtMs };
  const effects: Effect[] = [{ kind: 'set_relation', business, relation }];
  if (before.optIn !== 'opted_in')
    effects.push({ kind: 'opt_in_changed', business, optIn: 'opted_in', cause: 'business' });
  return effects;
}

function optOut(
  state: ContactState,
  business: string,
  cause: 'business' | 'stop_word',
  now: number,
  relation: Relation = state.relations.get(business) ?? noRelation,
): Effect[] {
  const effects: Effect[] = [
    { kind: 'set_relation', business, relation: { ...relation, optIn: 'opted_out', optedOutAtMs: now } },
  ];
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
  for (const message of state.waiting.values())
    if (message.business === business) effects.push(fail(message, unreachable));
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
