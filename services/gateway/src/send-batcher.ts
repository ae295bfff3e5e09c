/**
 * From prepared messages to the log, many at a time (natural group commit): what gathers while the
 * last transaction is in flight goes with the next.
 *
 * A batch is one transaction of idempotency keys and then one append to each range. Invariant: a
 * contact has messages of one batch in flight; later ones wait until those are settled. So a
 * message whose predecessor was refused knows it before its own turn, and one slow range holds up
 * no other.
 */
import { ChappeError, toChappeError } from '@chappe/errors/chappe-error';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import type { SealKey } from '@chappe/seal/seal';
import type { Store } from '@chappe/store/store';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Business } from './businesses.ts';
import type { GatewayEvents } from './events.ts';
import { pendingSendsMax, sendBatchMax, sendGatherMsMax, sendGatherShare, sliceMs } from './limits.ts';
import { makeMessageId } from './message-id.ts';
import type { PreparedSend } from './prepare-send.ts';
import { claimRequestKeys, type Claimed, type FindDataKey } from './request-keys.ts';
import { sendRecord } from './send-command.ts';
import { asCallerSees } from './store-errors.ts';

export type SendOutcome =
  | { readonly kind: 'accepted'; readonly messageId: string }
  | { readonly kind: 'refused'; readonly error: ChappeError };

export interface Submission {
  readonly business: Business;
  readonly key: SealKey;
  readonly prepared: PreparedSend;
  /** Asked when its turn comes, and before it is appended: whether one before it was refused for a reason that passes. */
  readonly isBehindRefused: () => boolean;
  /** Told once. Must not throw. */
  readonly settle: (outcome: SendOutcome) => void;
}

/** The messages of one contact. Invariant: it is in the queue of contacts if some wait and none is in flight. */
interface ContactQueue {
  readonly number: string;
  inFlight: number;
  readonly waiting: Submission[];
}

export interface SendBatcherDependencies {
  readonly store: Store;
  readonly appender: CommandAppender;
  readonly events: GatewayEvents;
  readonly findDataKey: FindDataKey;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class SendBatcher implements AsyncDisposable {
  readonly #dependencies: SendBatcherDependencies;
  readonly #contacts = new Map<string, ContactQueue>();
  /** Those whose turn it is, first come first served. */
  readonly #ready: ContactQueue[] = [];
  #pending = 0;
  #work: Promise<void> | undefined;
  #idle: (() => void) | undefined;
  #ending = false;

  constructor(dependencies: SendBatcherDependencies) {
    this.#dependencies = dependencies;
  }

  /** Messages that are handed over and not settled. */
  get pending(): number {
    return this.#pending;
  }

  /** Settles every submission, sooner or later. Those of one contact keep their order. */
  submit(submission: Submission): void {
    if (this.#ending) return refuse(submission, new ChappeError('notReady', 'the gateway is stopping'));
    if (this.#pending >= pendingSendsMax) {
      return refuse(
        submission,
        new ChappeError('overloaded', 'the gateway has too many messages in hand', { retryAfterMs: 500 }),
      );
    }
    this.#pending += 1;
    const number = submission.prepared.contact;
    const known = this.#contacts.get(number);
    if (known !== undefined) {
      known.waiting.push(submission);
      return;
    }
    const contact = { number, inFlight: 0, waiting: [submission] };
    this.#contacts.set(number, contact);
    this.#makeReady(contact);
  }

  /** Takes nothing more and waits until what it has is settled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#work;
  }

  #makeReady(contact: ContactQueue): void {
    this.#ready.push(contact);
    // A microtask later, so that what one turn hands over goes together.
    this.#work ??= Promise.resolve().then(() => this.#run());
  }

  /**
   * Where messages come faster than transactions end, the next one waits three times as long as the last one
   * took: a quarter as many do the same work.
   */
  async #run(): Promise<void> {
    while (this.#ready.length > 0) {
      const startedAt = performance.now();
      await this.#accept(this.#take());
      if (this.#ready.length > 0 && !this.#ending)
        await sleep(Math.min(sendGatherShare * (performance.now() - startedAt), sendGatherMsMax));
    }
    this.#work = undefined;
  }

  #take(): Submission[] {
    const taken: Submission[] = [];
    let contacts = 0;
    for (const contact of this.#ready) {
      if (taken.length >= sendBatchMax) break;
      const turn = contact.waiting.splice(0, sendBatchMax - taken.length);
      contact.inFlight = turn.length;
      taken.push(...turn);
      contacts += 1;
    }
    this.#ready.splice(0, contacts);
    return taken.filter((submission) => {
      const isBehind = submission.isBehindRefused();
      if (isBehind) this.#settle(submission, { kind: 'refused', error: behindRefused() });
      return !isBehind;
    });
  }

  async #accept(batch: readonly Submission[]): Promise<void> {
    const { events } = this.#dependencies;
    const startedAt = performance.now();
    const claimed = await this.#claim(batch);
    events.keysClaimed(batch.length, startedAt);
    let sliceStart = performance.now();
    for (const [index, submission] of batch.entries()) {
      const claim = claimed[index];
      if (claim === undefined || claim instanceof ChappeError) {
        const error = claim ?? new ChappeError('internal', 'an idempotency key got no answer');
        this.#settle(submission, { kind: 'refused', error });
        continue;
      }
      // One before it in this batch may have been refused just now.
      if (submission.isBehindRefused()) this.#settle(submission, { kind: 'refused', error: behindRefused() });
      else this.#append(submission, claim.messageId);
      if (performance.now() - sliceStart < sliceMs) continue;
      await nextTurn();
      sliceStart = performance.now();
    }
  }

  /** Each message's id, or why it has none. */
  async #claim(batch: readonly Submission[]): Promise<({ messageId: string } | ChappeError)[]> {
    const claims = batch.map(({ business, prepared, key: dataKey }) => ({
      business: business.id,
      key: prepared.idempotencyKey,
      digest: prepared.digest,
      dataKey,
      messageId: makeMessageId(business),
    }));
    const keyed = claims.filter(({ key }) => key !== '');
    if (keyed.length === 0) return claims;
    const { store, findDataKey, now } = this.#dependencies;
    let answers: Iterator<Claimed>;
    try {
      answers = (await claimRequestKeys(store, findDataKey, keyed, now())).values();
    } catch (error) {
      const seen = this.#fault(asCallerSees(error));
      return claims.map((claim) => (claim.key === '' ? claim : seen));
    }
    return claims.map((claim) => {
      if (claim.key === '') return claim;
      const answer = answers.next().value as Claimed;
      if (answer.kind === 'claimed') return answer;
      if (answer.kind === 'failed') return answer.error;
      return new ChappeError(
        'keyReused',
        'idempotency_key: it was used for a message to another contact or with other content',
      );
    });
  }

  #append(submission: Submission, messageId: string): void {
    const { appender, events } = this.#dependencies;
    const { prepared, business, key } = submission;
    const startedAt = performance.now();
    Promise.try(() =>
      appender.append(prepared.contact, sendRecord(prepared, business, messageId, key), business.id),
    ).then(
      () => {
        events.appended(startedAt);
        this.#settle(submission, { kind: 'accepted', messageId });
      },
      (error: unknown) => this.#settle(submission, { kind: 'refused', error: this.#fault(error) }),
    );
  }

  #settle(submission: Submission, outcome: SendOutcome): void {
    submission.settle(outcome);
    this.#pending -= 1;
    this.#release(submission.prepared.contact);
    if (this.#pending === 0) this.#idle?.();
  }

  /** The last in flight gives the turn to those that wait behind it. */
  #release(number: string): void {
    const contact = this.#contacts.get(number);
    if (contact === undefined) return;
    contact.inFlight -= 1;
    if (contact.inFlight > 0) return;
    if (contact.waiting.length > 0) this.#makeReady(contact);
    else this.#contacts.delete(number);
  }

  #fault(error: unknown): ChappeError {
    if (!(error instanceof ChappeError)) this.#dependencies.events.unexpected(error, 'send');
    return toChappeError(error);
  }
}

function refuse(submission: Submission, error: ChappeError): void {
  submission.settle({ kind: 'refused', error });
}

function behindRefused(): ChappeError {
  return new ChappeError(
    'behindRefused',
    'an earlier message to this contact was refused; resubmit that one first, then this one',
    {
      retryAfterMs: 100,
    },
  );
}
