/**
 * What a device makes of the envelopes that come down: the pure core (protocols 6.3, 7.1, 7.3).
 *
 * - Envelopes are numbered without gaps; only what continues is taken, everything else asks the
 *   server to resume.
 * - A higher incarnation is a new count, from 1 on: the server may have forgotten what this device had
 *   acknowledged, but never what it did not get. A lower one is ignored.
 * - What cannot be decrypted is reported, and nothing more of that session, or an older one of the
 *   same number, is shown: the server makes it all anew, so showing later ones would break ORDER.
 * - A gap that this device has acknowledged and does not know of: it was restored from an older state.
 *   Its sessions are forgotten; what comes under them is unreadable and comes again.
 * - What expired or is blocked is not shown, and the server hears so: it counts as not delivered.
 * - Both are repeated with every acknowledgement until the server has committed one of them.
 *
 * Decrypting is handed in; this file reads no clock and stores nothing.
 */
import type { Message } from '@chappe/proto/device/content';
import type { Envelope } from '@chappe/proto/device/device_service';

export interface Mailbox {
  /** 0: none yet. */
  readonly incarnation: number;
  /** The last envelope that was taken. */
  readonly number: bigint;
  /** The last one of which the server has committed the acknowledgement. */
  readonly forgotten: bigint;
  /** By business number: sessions of which nothing more is shown. */
  readonly refused: ReadonlyMap<string, RefusedSession>;
  /** Not committed by the server yet. At most one a session, so fewer than a mailbox has envelopes. */
  readonly reports: readonly Report[];
  /** What is not shown here, and not committed by the server yet. */
  readonly unshown: readonly Unshown[];
}

export interface Unshown {
  readonly number: bigint;
  readonly reason: 'expired' | 'blocked';
}

/** All sessions up to `sessionNo`, as counted in an incarnation; a higher incarnation may count again. */
export interface RefusedSession {
  readonly incarnation: number;
  readonly sessionNo: number;
}

export type UndecryptableReason = 'no_session' | 'duplicate' | 'invalid';

export interface Report {
  readonly number: bigint;
  readonly from: string;
  readonly sessionNo: number;
  readonly reason: UndecryptableReason;
}

export type Opened = OpenedMessage | { readonly kind: 'undecryptable'; readonly reason: UndecryptableReason };

export interface OpenedMessage {
  readonly kind: 'message';
  /** The id inside the ciphertext. */
  readonly messageId: string;
  /** Milliseconds since 1970; 0: never. */
  readonly expiresAtMs: number;
  readonly message: Message;
  /** Whether it is the first one of a session. */
  readonly startsSession: boolean;
}

export interface Surroundings {
  /** This device was restored from an older state: what it encrypts under its sessions may go out under used keys. */
  readonly forgetSessions: () => void;
  readonly open: (envelope: Envelope) => Promise<Opened>;
  readonly hasSeen: (messageId: string) => boolean;
  readonly isBlocked: (number: string) => boolean;
  readonly nowMs: number;
}

/** What became of a decrypted message. All but `repeat` are remembered as seen. */
export type Fate = 'shown' | 'repeat' | 'expired' | 'blocked';

export interface TakenMessage {
  readonly from: string;
  readonly messageId: string;
  readonly message: Message;
  readonly fate: Fate;
}

export interface Taken {
  readonly mailbox: Mailbox;
  readonly messages: readonly TakenMessage[];
  /** Business numbers that have started a session: each is answered with a session acknowledgement. */
  readonly startedBy: readonly string[];
  /** Something did not continue: ask the server to resume after `mailbox`. */
  readonly needsResume: boolean;
}

export interface Frame {
  readonly incarnation: number;
  readonly envelopes: readonly Envelope[];
}

export const emptyMailbox: Mailbox = {
  incarnation: 0,
  number: 0n,
  forgotten: 0n,
  refused: new Map(),
  reports: [],
  unshown: [],
};

export async function takeEnvelopes(mailbox: Mailbox, frame: Frame, surroundings: Surroundings): Promise<Taken> {
  const { incarnation, envelopes } = frame;
  const messages: TakenMessage[] = [];
  const startedBy: string[] = [];
  const seenHere = new Set<string>();
  let current = inIncarnation(mailbox, incarnation);
  if (current === undefined) return { mailbox, messages, startedBy, needsResume: false };

  for (const envelope of envelopes) {
    const step = examine(current, envelope);
    switch (step) {
      case 'stale':
        continue;
      case 'gap':
        return { mailbox: current, messages, startedBy, needsResume: true };
      case 'forgotten':
        surroundings.forgetSessions();
        startedBy.length = 0;
        current = { ...current, number: envelope.number };
        continue;
      case 'removed':
      case 'refused':
        current = { ...current, number: envelope.number };
        continue;
      case 'decrypt':
    }
    const opened = await surroundings.open(envelope);
    if (opened.kind === 'undecryptable') {
      current = refuse(current, envelope, opened.reason);
      continue;
    }
    const { messageId, message } = opened;
    if (opened.startsSession) startedBy.push(envelope.from);
    const fate = seenHere.has(messageId) ? 'repeat' : fateOf(opened, envelope.from, surroundings);
    seenHere.add(messageId);
    messages.push({ from: envelope.from, messageId, message, fate });
    if (fate === 'expired' || fate === 'blocked')
      current = { ...current, unshown: [...current.unshown, { number: envelope.number, reason: fate }] };
    current = { ...current, number: envelope.number };
  }
  return { mailbox: current, messages, startedBy, needsResume: false };
}

/** After `Forget`: what is committed need not be reported again. */
export function forget(mailbox: Mailbox, incarnation: number, through: bigint): Mailbox {
  if (incarnation !== mailbox.incarnation || through <= mailbox.forgotten) return mailbox;
  const forgotten = through < mailbox.number ? through : mailbox.number;
  const isNew = ({ number }: { readonly number: bigint }): boolean => number > forgotten;
  return { ...mailbox, forgotten, reports: mailbox.reports.filter(isNew), unshown: mailbox.unshown.filter(isNew) };
}

function inIncarnation(mailbox: Mailbox, incarnation: number): Mailbox | undefined {
  if (incarnation < mailbox.incarnation) return undefined;
  if (incarnation === mailbox.incarnation) return mailbox;
  return { incarnation, number: 0n, forgotten: 0n, refused: mailbox.refused, reports: [], unshown: [] };
}

type Step = 'stale' | 'gap' | 'forgotten' | 'removed' | 'refused' | 'decrypt';

function examine(mailbox: Mailbox, envelope: Envelope): Step {
  if (envelope.number <= mailbox.number) return 'stale';
  if (startOf(envelope) > mailbox.number + 1n) return 'gap';
  if (envelope.removedFrom > 0n) return envelope.acknowledged ? 'forgotten' : 'removed';
  const refused = mailbox.refused.get(envelope.from);
  const isRefused = refused?.incarnation === mailbox.incarnation && envelope.sessionNo <= refused.sessionNo;
  return isRefused ? 'refused' : 'decrypt';
}

function startOf(envelope: Envelope): bigint {
  return envelope.removedFrom > 0n ? envelope.removedFrom : envelope.number;
}

function fateOf(opened: OpenedMessage, from: string, { hasSeen, isBlocked, nowMs }: Surroundings): Fate {
  if (hasSeen(opened.messageId)) return 'repeat';
  if (isBlocked(from)) return 'blocked';
  return opened.expiresAtMs > 0 && opened.expiresAtMs < nowMs ? 'expired' : 'shown';
}

function refuse(mailbox: Mailbox, { number, from, sessionNo }: Envelope, reason: UndecryptableReason): Mailbox {
  const refused = new Map(mailbox.refused).set(from, { incarnation: mailbox.incarnation, sessionNo });
  return { ...mailbox, number, refused, reports: [...mailbox.reports, { number, from, sessionNo, reason }] };
}
