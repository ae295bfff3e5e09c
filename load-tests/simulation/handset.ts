/**
 * A handset, by the pure core of the handset library (`mailbox.ts`) and its rules of connecting: what came is stored,
 * then shown, then acknowledged. Its sessions only count (`counter-crypto.ts`); its state survives its process.
 */
import { create } from '@bufbuild/protobuf';
import { keepConnected } from '@chappe/handset/connection';
import { acknowledgeOf, resumeOf } from '@chappe/handset/mailbox-record';
import { emptyMailbox, forget, takeEnvelopes, type Mailbox, type Opened } from '@chappe/handset/mailbox';
import {
  CiphertextType,
  ConnectRequestSchema,
  type ConnectRequest,
  type ConnectResponse,
  type Envelope,
  type Envelopes,
} from '@chappe/proto/device/device_service';
import { DeviceSessions, readLetter, writeLetter } from './counter-crypto.ts';
import type { Program } from './machine.ts';
import type { StreamEnd } from './network.ts';
import { laneOf, type Device } from './people.ts';
import { placeOf, type Promises } from './promises.ts';
import type { Site } from './site.ts';
import type { Life } from './virtual-time.ts';

/** What lies on the phone. */
export class HandsetState {
  mailbox: Mailbox = emptyMailbox;
  readonly seen = new Set<string>();
  readonly sessions = new DeviceSessions();
  /** Answers to sessions that the log has not confirmed, by id. */
  readonly unconfirmed = new Map<string, Frame>();
  made = 0;
}

type Frame = ConnectRequest;
type Stream = StreamEnd<ConnectRequest, ConnectResponse>;

export interface HandsetOptions {
  readonly device: Device;
  readonly state: HandsetState;
  readonly promises: Promises;
  /** Does not know what it has shown: else it would make up for what a control breaks. */
  readonly isForgetful: boolean;
}

export function handsetProgram(site: Site, options: HandsetOptions): Program {
  return async (life) => {
    const closing = new AbortController();
    const running = keepConnected({
      attempt: ({ onOpen, onLive }) => connectOnce(site, life, options, { onOpen, onLive, signal: closing.signal }),
      fatal: () => undefined,
      onDisconnected: () => undefined,
      random: Math.random,
      signal: closing.signal,
    });
    return {
      [Symbol.asyncDispose]: async () => {
        closing.abort();
        await running;
      },
    };
  };
}

interface Attempt {
  readonly onOpen: () => void;
  readonly onLive: () => void;
  readonly signal: AbortSignal;
}

async function connectOnce(
  site: Site,
  life: Life,
  options: HandsetOptions,
  { onOpen, onLive, signal }: Attempt,
): Promise<void> {
  const { device, state } = options;
  const relays = [...site.relays.values()];
  const served = relays[Math.floor(Math.random() * relays.length)];
  const stream: Stream = site.network.stream(life, served?.life, 'connect', async (end) => served?.serve(end, device));
  signal.addEventListener('abort', () => stream.cancel(), { once: true });
  try {
    await send(stream, { case: 'resume', value: resumeOf(state.mailbox) });
    if (state.mailbox.number > state.mailbox.forgotten)
      await send(stream, { case: 'acknowledge', value: acknowledgeOf(state.mailbox) });
    for (const frame of state.unconfirmed.values()) await stream.send(frame);
    onOpen();
    for await (const { frame } of stream.responses) {
      onLive();
      if (frame.case === 'envelopes') await take(site, life, options, stream, frame.value);
      else if (frame.case === 'forget')
        state.mailbox = forget(state.mailbox, frame.value.incarnation, frame.value.through);
      else if (frame.case === 'confirmed') for (const id of frame.value.ids) state.unconfirmed.delete(id);
    }
  } finally {
    stream.cancel();
  }
}

async function take(site: Site, life: Life, options: HandsetOptions, stream: Stream, frame: Envelopes): Promise<void> {
  const { device, state, promises, isForgetful } = options;
  const taken = await takeEnvelopes(state.mailbox, frame, {
    forgetSessions: () => state.sessions.forgetAll(),
    open: async (envelope) => open(state, promises, envelope),
    hasSeen: (messageId) => !isForgetful && state.seen.has(messageId),
    isBlocked: () => false,
    nowMs: Date.now(),
  });
  state.mailbox = taken.mailbox;
  for (const { messageId, from, fate } of taken.messages) {
    if (fate === 'repeat') continue;
    state.seen.add(messageId);
    site.trace.say(life.label, `shows ${messageId}`);
    const lane = laneOf(device.contact, from);
    promises.noteShown({ message: placeOf(messageId), device: device.place, lane, atMs: performance.now() });
  }
  for (const number of new Set(taken.startedBy)) {
    const answer = acknowledgeSession(options, number);
    if (answer !== undefined) await stream.send(answer);
  }
  await send(stream, { case: 'acknowledge', value: acknowledgeOf(state.mailbox) });
  // As a relay that repeats what it is not sure of.
  if (site.network.faults.happens(`${life.name} acknowledges twice`, site.network.rates.answerLost))
    await send(stream, { case: 'acknowledge', value: acknowledgeOf(state.mailbox) });
  if (taken.needsResume) await send(stream, { case: 'resume', value: resumeOf(state.mailbox) });
}

function open(state: HandsetState, promises: Promises, { from, ciphertext, type }: Envelope): Opened {
  const letter = readLetter(ciphertext);
  promises.letterLeft(letter);
  const opened = state.sessions.open(from, letter, type);
  return typeof opened === 'string' ? { kind: 'undecryptable', reason: opened } : opened;
}

function acknowledgeSession({ device, state }: HandsetOptions, number: string): Frame | undefined {
  state.made += 1;
  const id = `${device.place}-${state.made}`;
  const letter = state.sessions.acknowledge(number, id);
  if (letter === undefined) return undefined;
  const outbound = { id, to: number, ciphertext: writeLetter(letter), type: CiphertextType.WHISPER, attempt: 0 };
  const frame = create(ConnectRequestSchema, { frame: { case: 'outbound', value: outbound } });
  state.unconfirmed.set(id, frame);
  return frame;
}

async function send(
  stream: Stream,
  frame: NonNullable<Parameters<typeof create<typeof ConnectRequestSchema>>[1]>['frame'],
): Promise<void> {
  await stream.send(create(ConnectRequestSchema, frame === undefined ? {} : { frame }));
}
