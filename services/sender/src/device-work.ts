/**
 * What devices say through their relays: attached, acknowledged, read. Applied inside the worker's
 * next transaction, before the commands; it moves no offset.
 */
import { UnshownReason, type Acknowledge, type Resume, type Undecryptable } from '@chappe/proto/device/device_service';
import type { DeviceRef } from '@chappe/proto/internal/sender_service';
import type { Changes, NewOutcome } from './changes.ts';
import { unreachable } from './effects.ts';
import { undecryptableTriesMax } from './limits.ts';
import {
  isPending,
  lastEnvelopeNo,
  neverAgain,
  sessionKey,
  type ContactState,
  type Message,
  type Session,
} from './state.ts';

export type DeviceWork =
  | { readonly kind: 'attach'; readonly device: DeviceRef; readonly resume: Resume; readonly sink: DeviceSink }
  /** Only what is attached through this stream: a relay that opened another one may be attached there already. */
  | { readonly kind: 'detach'; readonly device: DeviceRef; readonly sink: DeviceSink }
  | {
      readonly kind: 'acknowledge';
      readonly device: DeviceRef;
      readonly acknowledge: Acknowledge;
      readonly sink: DeviceSink;
    }
  | {
      readonly kind: 'read';
      readonly device: DeviceRef;
      readonly messageIds: readonly string[];
      readonly sink: DeviceSink;
    };

/** The way back to a device: its relay's stream. */
/** Who pushes: the range, and the epoch under which it is held. */
export interface Pushing {
  readonly range: string;
  readonly epoch: number;
}

export interface DeviceSink {
  /** The stream is gone. */
  readonly closed: boolean;
  push(device: DeviceRef, from: Pushing, incarnation: number, envelopes: readonly PushedEnvelope[]): void;
  forget(device: DeviceRef, incarnation: number, through: number): void;
  outcome(device: DeviceRef, outcomes: readonly NewOutcome[]): void;
  refuse(device: DeviceRef, reason: 'not_owner' | 'superseded' | 'unknown_device'): void;
}

/** Nobody here gets to it. A relay that heard nothing would think the device attached, and it would get nothing. */
export function refuseDeviceWork(work: DeviceWork): void {
  if (work.kind !== 'detach') work.sink.refuse(work.device, 'not_owner');
}

export type PushedEnvelope =
  /** Acknowledged: by the device itself, which is a copy if it does not know. */
  | { readonly kind: 'removed'; readonly from: number; readonly through: number; readonly acknowledged?: boolean }
  | {
      readonly kind: 'envelope';
      readonly envelopeNo: number;
      readonly number: string;
      readonly sessionNo: number;
      readonly type: number;
      readonly ciphertext: Uint8Array;
    };

/** What it takes of a window and of a frame. */
export function bytesOf(pushed: PushedEnvelope): number {
  return pushed.kind === 'envelope' ? pushed.ciphertext.length : 0;
}

export function isDevice(state: ContactState, device: number): boolean {
  return state.contact.devices.some((known) => known.device === device);
}

export interface Attached {
  /** Where to go on from. */
  readonly pushedNo: number;
  /** Device and store count in the same incarnation: what the one calls acknowledged says something of the other. */
  readonly isSameCount: boolean;
}

/** Everything may be pushed from now on. */
export function applyAttach(changes: Changes, state: ContactState, device: number, resume: Resume): Attached {
  const mailbox = changes.mailboxOf(state, device);
  const resumeNo = Number(resume.number);
  const sameIncarnation = resume.incarnation === mailbox.incarnation;
  if (resume.incarnation > mailbox.incarnation || (sameIncarnation && resumeNo > lastEnvelopeNo(mailbox))) {
    // The device has seen more than the store knows of: the store lost commits. Envelope numbers
    // and message keys of what was lost may not be used again, so the mailbox begins a new count,
    // which the device takes, and every session with the device is started anew.
    const incarnation = Math.max(mailbox.incarnation, resume.incarnation) + 1;
    changes.setMailbox(state, device, { ...mailbox, incarnation, attached: true });
    for (const session of state.sessions.values()) {
      if (session.device === device) changes.setSession(state, { ...session, startedMs: neverAgain });
    }
    return { pushedNo: 0, isSameCount: false };
  }
  if (!mailbox.attached) changes.setMailbox(state, device, { ...mailbox, attached: true });
  return { pushedNo: sameIncarnation ? resumeNo : 0, isSameCount: sameIncarnation };
}

export function applyDetach(changes: Changes, state: ContactState, device: number, pushedNo: number): void {
  const mailbox = state.mailboxes.get(device);
  if (mailbox === undefined || !mailbox.attached) return;
  changes.setMailbox(state, device, { ...mailbox, attached: false, pushedNo: Math.max(mailbox.pushedNo, pushedNo) });
}

/**
 * Settles everything up to the acknowledged envelope: delivered, unless the device says that it
 * cannot read it; then it and all behind it in that session are made anew. What it will not show has ended,
 * unless another device may.
 */
export function applyAcknowledge(
  changes: Changes,
  state: ContactState,
  device: number,
  acknowledge: Acknowledge,
  nowMs: number,
): void {
  const before = state.mailboxes.get(device);
  if (before === undefined || acknowledge.incarnation !== before.incarnation) return;
  for (const unreadable of acknowledge.undecryptable) makeAnew(changes, state, device, unreadable, nowMs);

  const mailbox = state.mailboxes.get(device) ?? before;
  const through = Math.min(Number(acknowledge.through), lastEnvelopeNo(mailbox));
  if (through <= mailbox.acknowledgedNo) return;
  const unshown = new Map(acknowledge.unshown.map(({ number, reason }) => [Number(number), reason]));
  const settled = mailbox.pending.filter(({ envelopeNo, removed }) => envelopeNo <= through && !removed);
  changes.settle(state, device, mailbox, through);
  for (const { envelopeNo, messageId } of settled) {
    const message = state.waiting.get(messageId);
    if (message === undefined) continue;
    const reason = unshown.get(envelopeNo);
    if (reason === undefined) changes.move(state, message, 'delivered', nowMs);
    else if (!isPending(state, messageId)) endUnshown(changes, state, message, reason, nowMs);
  }
}

function endUnshown(
  changes: Changes,
  state: ContactState,
  message: Message,
  reason: UnshownReason,
  nowMs: number,
): void {
  if (reason === UnshownReason.BLOCKED) changes.move(state, message, 'failed', nowMs, unreachable);
  else changes.move(state, message, 'expired', nowMs);
}

/**
 * The device has started a session, and may have forgotten the former ones: whatever waits under those goes out
 * again under the new one, before anything later does (ORDER). What it has shown it drops as a repeat.
 */
export function makeFormerAnew(
  changes: Changes,
  state: ContactState,
  { number, device, sessionNo }: Pick<Session, 'number' | 'device' | 'sessionNo'>,
): void {
  // What another device has shown has no body any more: it stays as it is, for this device to read if it can.
  const removed = changes.removeEnvelopes(
    state,
    device,
    ({ messageId, number: of, sessionNo: under }) => of === number && under < sessionNo && state.waiting.has(messageId),
  );
  for (const { messageId } of removed) {
    const message = state.waiting.get(messageId);
    if (message !== undefined) changes.encryptLater(state, message, device);
  }
}

/**
 * The device takes nothing more of that session, so nothing of it counts as shown: the session is
 * replaced, and each message gets a new envelope behind the present ones, in the same order.
 */
function makeAnew(
  changes: Changes,
  state: ContactState,
  device: number,
  unreadable: Undecryptable,
  nowMs: number,
): void {
  const { from, sessionNo } = unreadable;
  const firstNo = Number(unreadable.number);
  const reported = state.mailboxes.get(device)?.pending.find(({ envelopeNo }) => envelopeNo === firstNo);
  // A removed envelope may have been pushed before it was removed: its session is refused all the same.
  if (reported === undefined || reported.number !== from || reported.sessionNo !== sessionNo) return;

  const removed = changes.removeEnvelopes(
    state,
    device,
    (envelope) => envelope.number === from && envelope.sessionNo <= sessionNo && envelope.envelopeNo >= firstNo,
  );
  const session = state.sessions.get(sessionKey(from, device));
  // Stored, as perhaps nothing is encrypted in this transaction: the device takes nothing more of it, ever.
  if (session !== undefined && session.sessionNo <= sessionNo)
    changes.setSession(state, { ...session, startedMs: neverAgain });
  for (const { messageId } of removed) {
    const message = state.waiting.get(messageId);
    // Another device has shown it, or it has ended: the person does not need it here.
    if (message === undefined) continue;
    if (message.tries + 1 >= undecryptableTriesMax) {
      if (isPending(state, messageId)) continue;
      const failure = { reason: 'undecryptable', detail: 'no session could be set up that the device reads' } as const;
      changes.move(state, message, 'failed', nowMs, failure);
      continue;
    }
    const again: Message = changes.setMessage(state, { ...message, tries: message.tries + 1 });
    changes.encryptLater(state, again, device);
  }
}
