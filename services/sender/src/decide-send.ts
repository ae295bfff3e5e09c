/**
 * Whether a business may send this to this person now, and what it costs: the first form of the
 * policy. A pure function of (state, command, time); the first rule that refuses, answers.
 *
 * The order of the rules matters: what a business may not know (whether a number has a device,
 * whether it was blocked) is only looked at after the person's agreement.
 */
import type { SendCommand } from '@chappe/proto/internal/commands';
import { rate } from '@chappe/rating/rate';
import { categories, type Category, type PriceBooks } from '@chappe/rating/price-book';
import { isOpen } from '@chappe/rating/window';
import { unreachable, type Effect, type Failure, type NewMessage } from './effects.ts';
import { mailboxEnvelopesMax, mailboxEnvelopesPerNumberMax, mailboxNumbersMax } from './limits.ts';
import { noRelation, type ContactState, type Held, type IdentityPolicy, type Mailbox, type Relation } from './state.ts';

/** Free text of a person in the window: the category of the price list. */
const replyCategory = 'service';

export interface SendFacts {
  readonly messageId: string;
  readonly appendTimeMs: number;
  /** A message with this id was decided before. */
  readonly isRepeat: boolean;
  readonly books: PriceBooks;
}

export function decideSend(state: ContactState, command: SendCommand, facts: SendFacts): Effect[] {
  if (facts.isRepeat) return [{ kind: 'drop', reason: 'repeat' }];
  const now = facts.appendTimeMs;
  const isReply = command.category === replyCategory;
  const known = state.relations.get(command.business) ?? noRelation;
  const identityPolicy = identityPolicyOf(command.policy?.identity);
  const relation: Relation = known.identityPolicy === identityPolicy ? known : { ...known, identityPolicy };

  const message = newMessageOf(relation, command, facts);
  const { windowOpen, micros } = message.price;

  const failure =
    agreementFailure(relation, isReply && windowOpen) ??
    (isReply ? replyFailure(relation, command, windowOpen) : undefined) ??
    reachFailure(state, relation, command) ??
    capFailure(relation, command, now) ??
    pairFailure(relation, command, now) ??
    priceFailure(command, micros);
  if (failure !== undefined) return [{ kind: 'refuse', message, failure }];

  const effects: Effect[] = [{ kind: 'accept', message, held: heldAs(state, relation, message) }];
  const counted = countPair(
    command.category === 'marketing' ? countMarketing(relation, command, now) : relation,
    command,
    now,
  );
  if (counted !== known) effects.push({ kind: 'set_relation', business: command.business, relation: counted });
  return effects;
}

/** A message that nothing is decided about, because too many commands of the contact are held: it fails. */
export function refuseForFullLane(state: ContactState, command: SendCommand, facts: SendFacts): Effect[] {
  if (facts.isRepeat) return [{ kind: 'drop', reason: 'repeat' }];
  const relation = state.relations.get(command.business) ?? noRelation;
  const failure: Failure = { reason: 'laneFull', detail: 'too many commands are held for this person' };
  return [{ kind: 'refuse', message: newMessageOf(relation, command, facts), failure }];
}

function newMessageOf(relation: Relation, command: SendCommand, facts: SendFacts): NewMessage {
  const now = facts.appendTimeMs;
  const windowOpen = isOpen(relation.lastInboundMs[command.number], now);
  const { micros, currency, priceBook } = rate(facts.books, {
    country: command.country,
    category: categoryOf(command.category),
    windowOpen,
    reply: command.category === replyCategory,
    timeMs: now,
  });
  return {
    messageId: facts.messageId,
    business: command.business,
    number: command.number,
    identityPolicy: identityPolicyOf(command.policy?.identity),
    echo: command.echo,
    price: { country: command.country, category: command.category, windowOpen, micros, currency, priceBook },
    acceptedMs: now,
    expiresMs: now + Number(command.ttlMs),
    sealedBody: command.sealedBody,
  };
}

/** Whether the person agreed. A person who wrote within 24 h may be answered without an opt-in. */
function agreementFailure(relation: Relation, answersOpenWindow: boolean): Failure | undefined {
  if (relation.optIn === 'opted_out') return { reason: 'optedOut', detail: 'the person asked for no more messages' };
  if (relation.optIn === 'none' && !answersOpenWindow) {
    return { reason: 'noOptIn', detail: 'no opt-in of this person is recorded' };
  }
  return undefined;
}

function replyFailure(relation: Relation, command: SendCommand, windowOpen: boolean): Failure | undefined {
  if (windowOpen) return undefined;
  if (relation.lastInboundMs[command.number] === undefined) {
    return { reason: 'windowClosed', detail: 'the person never wrote to this number: only templates may be sent' };
  }
  if (command.policy?.templateOnlyAfterWindow === true) {
    return { reason: 'windowClosed', detail: 'more than 24 h have passed since the person wrote: send a template' };
  }
  return undefined;
}

function reachFailure(state: ContactState, relation: Relation, command: SendCommand): Failure | undefined {
  if (relation.blocked) return unreachable;
  if (state.contact.devices.length === 0)
    return { reason: 'userInvalid', detail: 'the person has no registered device' };
  if (relation.identityPending && identityPolicyOf(command.policy?.identity) === 'fail') {
    return { reason: 'identityChanged', detail: 'acknowledge the new identity before sending' };
  }
  const coming = comingOf(state, command.number);
  const reachable = state.contact.devices.some(({ device }) =>
    hasRoom(state.mailboxes.get(device), command.number, coming),
  );
  if (!reachable) return { reason: 'mailboxFull', detail: 'too many messages wait for this person' };
  if (heldOf(state, command.number) >= mailboxEnvelopesPerNumberMax) {
    return { reason: 'laneFull', detail: 'too many messages are held for this person' };
  }
  return undefined;
}

function capFailure(relation: Relation, command: SendCommand, now: number): Failure | undefined {
  const policy = command.policy;
  if (command.category !== 'marketing' || policy === undefined || policy.capCount === 0) return undefined;
  const since = now - Number(policy.capPeriodMs);
  if (relation.marketingMs.filter((time) => time > since).length < policy.capCount) return undefined;
  return { reason: 'frequencyCap', detail: `${policy.capCount} marketing messages were sent in the period` };
}

function priceFailure(command: SendCommand, micros: number): Failure | undefined {
  if (command.maxPriceMicros === undefined || micros <= Number(command.maxPriceMicros)) return undefined;
  return { reason: 'priceAboveLimit', detail: `the price is ${micros} micros, the limit ${command.maxPriceMicros}` };
}

/** ORDER: behind a held message of the same number every later one is held as well. */
function heldAs(state: ContactState, relation: Relation, message: NewMessage): Held {
  if (relation.identityPending && message.identityPolicy === 'hold') return 'identity';
  for (const waiting of state.waiting.values()) {
    if (waiting.held !== '' && waiting.number === message.number) return waiting.held;
  }
  return '';
}

/** Envelopes that a batch is about to make for a device. */
export interface Coming {
  readonly all: number;
  readonly ofNumber: number;
}

/** Whether a device's mailbox takes another envelope of a number, behind those that are coming. */
export function hasRoom(mailbox: Mailbox | undefined, number: string, coming: Coming): boolean {
  const pending = mailbox?.pending ?? [];
  let { all, ofNumber } = coming;
  for (const envelope of pending) {
    if (envelope.removed) continue;
    all += 1;
    if (envelope.number === number) ofNumber += 1;
  }
  const isFull = all >= mailboxEnvelopesMax || ofNumber >= mailboxEnvelopesPerNumberMax;
  return !isFull && pending.length + coming.all < mailboxNumbersMax;
}

/** Messages that were let through earlier in this batch: they have no envelopes yet. */
function comingOf(state: ContactState, number: string): Coming {
  let [all, ofNumber] = [0, 0];
  for (const message of state.waiting.values()) {
    if (message.state !== 'accepted' || message.held !== '') continue;
    all += 1;
    if (message.number === number) ofNumber += 1;
  }
  return { all, ofNumber };
}

function heldOf(state: ContactState, number: string): number {
  let count = 0;
  for (const message of state.waiting.values()) if (message.number === number && message.held !== '') count += 1;
  return count;
}

function countMarketing(relation: Relation, command: SendCommand, now: number): Relation {
  const capCount = command.policy?.capCount ?? 0;
  return { ...relation, marketingMs: [...relation.marketingMs, now].slice(-Math.max(1, capCount)) };
}

/**
 * A burst, then one for each interval: the generic cell rate algorithm (ITU-T I.371, annex A), which needs one time
 * for each business number.
 */
function pairFailure(relation: Relation, command: SendCommand, now: number): Failure | undefined {
  const { pairBurst = 0, pairIntervalMs = 0n } = command.policy ?? {};
  if (pairBurst === 0) return undefined;
  const untilMs = relation.pairUntilMs[command.number] ?? 0;
  if (untilMs - now <= (pairBurst - 1) * Number(pairIntervalMs)) return undefined;
  return { reason: 'pairLimit', detail: `${pairBurst} messages in a row, then one in ${Number(pairIntervalMs)} ms` };
}

function countPair(relation: Relation, command: SendCommand, now: number): Relation {
  const { pairBurst = 0, pairIntervalMs = 0n } = command.policy ?? {};
  if (pairBurst === 0) return relation;
  // A number whose messages take no place any more is one that sent nothing.
  const others = Object.entries(relation.pairUntilMs).filter(([, untilMs]) => untilMs > now);
  const untilMs = Math.max(now, relation.pairUntilMs[command.number] ?? 0) + Number(pairIntervalMs);
  return { ...relation, pairUntilMs: { ...Object.fromEntries(others), [command.number]: untilMs } };
}

function identityPolicyOf(text: string | undefined): IdentityPolicy {
  return text === 'resend' || text === 'fail' ? text : 'hold';
}

/** What the gateway wrote; a category of a later version costs what the dearest use does: marketing. */
function categoryOf(text: string): Category {
  return categories.find((category) => category === text) ?? 'marketing';
}
