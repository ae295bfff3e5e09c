/**
 * Everything of a turn that comes before its transaction: what devices said, what crypto made of
 * what came in, what was decided, what crypto made of what goes out. It changes states in memory
 * and `changes`, nothing else; what must wait for the commit is returned.
 */
import type { DecryptResult } from '@chappe/proto/internal/crypto_service';
import type { DeviceRef } from '@chappe/proto/internal/sender_service';
import { inInterval } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { PriceBooks } from '@chappe/rating/price-book';
import type { Store } from '@chappe/store/store';
import type { Attachments } from './attachments.ts';
import type { Changes } from './changes.ts';
import { heldReplies, loadMessages } from './contact-store.ts';
import { refuseForFullLane } from './decide-send.ts';
import { decide } from './decide.ts';
import { decryptBatch, type Inbound } from './decrypt-batch.ts';
import {
  applyAcknowledge,
  applyAttach,
  applyDetach,
  isDevice,
  type DeviceSink,
  type DeviceWork,
} from './device-work.ts';
import { encryptBatch, type EncryptDependencies } from './encrypt-batch.ts';
import type { SenderEvents } from './events.ts';
import { heldRecordsMax } from './limits.ts';
import type { ReadableCommand } from './read-commands.ts';
import { Repeats } from './repeats.ts';
import type { ContactState, Message } from './state.ts';

export interface TurnDependencies extends EncryptDependencies {
  readonly store: Store;
  readonly books: () => PriceBooks;
  readonly events: SenderEvents;
}

export interface TurnInput {
  readonly range: Range;
  readonly incarnation: number;
  /** The latest time of all that was done. */
  readonly lastTimeMs: number;
  /** When the devices' work came in, on the worker's clock. */
  readonly receivedMs: number;
  readonly attachments: Attachments;
  readonly commands: readonly ReadableCommand[];
  readonly deviceWork: readonly DeviceWork[];
  /** Every contact that the commands and the devices' work name. */
  readonly states: ReadonlyMap<string, ContactState>;
  readonly changes: Changes;
  /** Takes a device off again, in a later turn. */
  readonly detachLater: (device: DeviceRef, sink: DeviceSink) => void;
}

export interface Turn {
  /** What must wait for the commit. */
  committed(): void;
}

export async function prepareTurn(dependencies: TurnDependencies, input: TurnInput): Promise<Turn> {
  const afterCommit: (() => void)[] = [];
  await applyDeviceWork(dependencies, input, afterCommit);
  const decrypted = await decryptInbounds(dependencies, input);
  const lastTimeMs = await decideCommands(dependencies, input, decrypted);
  await encryptBatch(dependencies, input.changes, input.incarnation, lastTimeMs);
  return {
    committed: () => {
      for (const action of afterCommit) action();
    },
  };
}

interface OwnAttachment {
  readonly connectionNo: bigint;
  readonly sink: DeviceSink;
  readonly pushedNo: number;
}

async function applyDeviceWork(
  { store, events }: TurnDependencies,
  input: TurnInput,
  afterCommit: (() => void)[],
): Promise<void> {
  const { attachments, changes, receivedMs, range } = input;
  const readIds = input.deviceWork.flatMap((work) => (work.kind === 'read' ? work.messageIds : []));
  const readMessages = new Map((await loadMessages(store, readIds)).map((row) => [row.message.messageId, row]));
  /** This turn's own attachments, by device: those of the former turns count only without one. */
  const attached = new Map<string, OwnAttachment>();
  for (const work of input.deviceWork) {
    const { contact, device, connectionNo } = work.device;
    const name = `${contact}/${device}`;
    const state = input.states.get(contact);
    if (state === undefined || !inInterval(contact, range.start, range.end)) continue;
    switch (work.kind) {
      case 'attach': {
        const { sink, resume } = work;
        if (sink.closed) break;
        if (attachments.isSuperseded(work.device) || (attached.get(name)?.connectionNo ?? 0n) > connectionNo) {
          sink.refuse(work.device, 'superseded');
        } else if (isDevice(state, device)) {
          const start = applyAttach(changes, state, device, resume);
          attached.set(name, { connectionNo, sink, pushedNo: start.pushedNo });
          afterCommit.push(() => {
            attachments.attach(work.device, sink, changes.mailboxOf(state, device), start);
            // Its relay went while the turn was made, when there was nothing to detach yet.
            if (sink.closed) input.detachLater(work.device, sink);
          });
        } else {
          sink.refuse(work.device, 'unknown_device');
        }
        break;
      }
      case 'detach': {
        const { sink } = work;
        const own = attached.get(name);
        const pushedNo = own === undefined ? attachments.pushedNoOf(work.device, sink) : own.pushedNo;
        const isAnother = own !== undefined && (own.connectionNo !== connectionNo || own.sink !== sink);
        if (pushedNo === undefined || isAnother) break;
        attached.delete(name);
        applyDetach(changes, state, device, pushedNo);
        afterCommit.push(() => attachments.detach(work.device, sink));
        break;
      }
      case 'acknowledge': {
        if (!isDevice(state, device)) break;
        for (const { reason } of work.acknowledge.undecryptable) events.undecryptable(range.id, reason);
        applyAcknowledge(changes, state, device, work.acknowledge, receivedMs);
        afterCommit.push(() => {
          const { incarnation, acknowledgedNo } = changes.mailboxOf(state, device);
          work.sink.forget(work.device, incarnation, acknowledgedNo);
          attachments.settled(contact, device, incarnation, acknowledgedNo);
        });
        break;
      }
      case 'read':
        for (const messageId of work.messageIds) {
          const row = readMessages.get(messageId);
          if (row?.contact === contact) markRead(changes, state, row.message, receivedMs);
        }
        break;
    }
  }
}

function markRead(changes: Changes, state: ContactState, stored: Message, nowMs: number): void {
  const message = changes.messages.get(stored.messageId)?.message ?? state.waiting.get(stored.messageId) ?? stored;
  changes.move(state, message, 'read', nowMs);
}

function decryptInbounds(dependencies: TurnDependencies, input: TurnInput): Promise<Map<Inbound, DecryptResult>> {
  const poisoned = new Set<string>();
  const inbounds = input.commands.flatMap((read): Inbound[] => {
    if (read.kind === 'poison') poisoned.add(read.contact);
    if (read.kind !== 'command' || read.command.kind.case !== 'inbound') return [];
    const state = input.states.get(read.contact);
    // Behind a command that could not be read it is held as it is, and decrypted when it is released:
    // no ciphertext is decrypted twice.
    if (state === undefined || state.heldRecords > 0 || poisoned.has(read.contact)) return [];
    return [{ state, command: read.command.kind.value, appendTimeMs: read.timeMs }];
  });
  return decryptBatch(dependencies, inbounds, input.changes, input.incarnation);
}

/** Decides in the order of the batch, a contact's commands in that of the log; the latest time. */
async function decideCommands(
  dependencies: TurnDependencies,
  input: TurnInput,
  decrypted: ReadonlyMap<Inbound, DecryptResult>,
): Promise<number> {
  const { store, events } = dependencies;
  const books = dependencies.books();
  const { changes, range } = input;
  const resultOf = new Map([...decrypted].map(([inbound, result]) => [inbound.command, result]));
  const repeats = await Repeats.find(store, input.commands, resultOf);
  const held = await findHeldReplies(store, input);
  let latestMs = input.lastTimeMs;
  for (const read of input.commands) {
    const { record, timeMs } = read;
    latestMs = Math.max(latestMs, timeMs);
    if (read.kind === 'dead') {
      events.deadRecord(range.id, record.offset, read.reason);
      continue;
    }
    const state = input.states.get(read.contact);
    if (state === undefined) throw new Error('a contact of the batch was not loaded');
    const { id } = record.headers;
    const facts = { id, appendTimeMs: timeMs, books };
    if (read.kind === 'poison' || isBehindHeld(read, state)) {
      if (held.has(`${read.contact} ${id}`)) continue;
      if (read.kind === 'command' && read.command.kind.case === 'inbound') held.add(`${read.contact} ${id}`);
      if (state.heldRecords < heldRecordsMax) hold(input, read, state, timeMs, events);
      else if (read.kind === 'command' && read.command.kind.case === 'send') {
        // NO-LOSS: what was accepted ends with a code.
        const send = { ...facts, messageId: id, isRepeat: repeats.isRepeat(read) };
        const effects = refuseForFullLane(state, read.command.kind.value, send);
        for (const effect of effects) changes.apply(state, effect, { id, timeMs });
      } else events.deadRecord(range.id, record.offset, 'the lane of held commands is full');
      continue;
    }
    const { command } = read;
    const result = command.kind.case === 'inbound' ? resultOf.get(command.kind.value) : undefined;
    const all = { ...facts, isRepeat: repeats.isRepeat(read), ...(result === undefined ? {} : { decrypted: result }) };
    for (const effect of decide(state, command, all)) changes.apply(state, effect, { id, timeMs });
  }
  return latestMs;
}

/**
 * Behind a command that cannot be read nothing is decided but that time passes: a tick in each
 * minute would fill the lane, and what was accepted before has to end.
 */
function isBehindHeld(read: Extract<ReadableCommand, { kind: 'command' }>, state: ContactState): boolean {
  return state.heldRecords > 0 && read.command.kind.case !== 'tick';
}

/** A device sends a reply again of which it heard nothing: the lane has it once. By contact and record id. */
async function findHeldReplies(store: Store, { commands, states }: TurnInput): Promise<Set<string>> {
  const contacts = new Set<string>();
  for (const read of commands) {
    if (read.kind !== 'command' || read.command.kind.case !== 'inbound') continue;
    if ((states.get(read.contact)?.heldRecords ?? 0) > 0) contacts.add(read.contact);
  }
  return heldReplies(store, [...contacts]);
}

/** Keeps a command that cannot be read, and what comes behind it, until a person has looked. */
function hold(
  { range, changes }: TurnInput,
  read: Extract<ReadableCommand, { kind: 'command' | 'poison' }>,
  state: ContactState,
  timeMs: number,
  events: SenderEvents,
): void {
  const { record } = read;
  const reason = read.kind === 'poison' ? read.reason : 'behind a held command';
  state.heldRecords += 1;
  changes.touched.add(state);
  const { kind, id, version } = record.headers;
  changes.heldRecords.push([state.number, record.offset, range.id, kind, id, version, timeMs, reason, record.value]);
  if (read.kind === 'poison') events.commandHeld(range.id, record.offset, reason);
}
