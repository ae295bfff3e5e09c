/**
 * Handsets of a load test, in a process of their own: real devices with their own keys, which decrypt,
 * store in memory and acknowledge.
 */
import { toChappeError } from '@chappe/errors/chappe-error';
import { Handset } from '@chappe/handset/handset';
import { memoryState } from '@chappe/handset/handset-state';
import { registerHandset, requestCode } from '@chappe/handset/register';
import { Channel } from '@chappe/rpc/client';
import { inParallel } from '../faults/in-parallel.ts';
import { seededRandom } from '../faults/seeded-random.ts';
import { CodesFile } from './codes-file.ts';
import { numberAt } from './contacts.ts';
import type { FleetRequest } from './fleet.ts';
import { idHash } from './id-hash.ts';
import { LatenessMeter, type Driven } from './lateness.ts';
import { nowMs } from './monotonic-clock.ts';
import { onSchedule } from './pacer.ts';
import { businessesOf, placesOf, scheduleOf, type Plan } from './plan.ts';
import { Notes, serveParent } from './serve-parent.ts';
import { numberIn, replyText } from './texts.ts';

/** HTTP/2 connections that the handsets share: a few, so that no single one is the limit. */
const connections = 4;
/** Registrations under way at a time. */
const registering = 24;

/** Rows: message by its text, contact, business, id, shown at. */
const shown = new Notes('shown');
/** Rows: reply, business, contact, stream, due, handed over. */
const submitted = new Notes('submitted');
/** Rows: reply, confirmed, its place: ids of replies are the handset's own. */
const accepted = new Notes('accepted');
/** Rows: reply, whether for good, code. */
const refused = new Notes('refused');
const handsets = new Map<number, Handset>();
/** By their ids: those that the log has not confirmed. */
const openReplies = new Map<string, number>();
/** Ids that were confirmed before their call came back, in this window; and those of handsets' own answers. */
const confirmedMs = new Map<string, number>();
let channels: readonly Channel[] = [];
let codes: CodesFile | undefined;
let businessNumbers: readonly string[] = [];
let share = { part: 0, parts: 1 };
let whenConfirmed: (() => void) | undefined;

async function take(request: FleetRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      codes = new CodesFile(request.codesFile);
      channels = Array.from({ length: connections }, () => new Channel({ address: request.address }));
      ({ businessNumbers } = request);
      share = { part: request.part, parts: request.parts };
      return;
    case 'register':
      return inParallel(registering, ownPlaces(request.from, request.count), (place) =>
        register(place, request.preKeyCount),
      );
    case 'reply':
      return reply(request.plan, request.firstMessage, request.startMs);
  }
}

function* ownPlaces(from: number, count: number): Iterable<number> {
  for (let place = from; place < from + count; place += 1) if (place % share.parts === share.part) yield place;
}

async function register(place: number, preKeyCount: number): Promise<void> {
  const channel = channels[Math.trunc(place / 2) % connections];
  if (channel === undefined || codes === undefined) throw new Error('start comes first');
  const number = numberAt(place);
  const state = memoryState();
  await requestCode(channel, number);
  await registerHandset({ channel, number, proof: { code: codes.take(number) }, state, preKeyCount });
  const connected = Promise.withResolvers<void>();
  const handset = new Handset({
    channel,
    state,
    shownKept: 1,
    listener: {
      onConnected: connected.resolve,
      onMessage: ({ from, messageId, message }) => {
        shown.add(numberIn(message.body), place, businessNumbers.indexOf(from), idHash(messageId), nowMs());
      },
      onConfirmed: noteConfirmed,
      onRefused: (id, { entry }) => {
        const message = openReplies.get(id);
        if (message !== undefined) refused.add(message, 1, entry.code);
        closeReply(id);
      },
    },
  });
  handsets.set(place, handset);
  void handset.connect();
  await connected.promise;
}

/** Everybody's reply is drawn in every fleet, and sent in the one that has the person. */
async function reply(plan: Plan, firstMessage: number, startMs: number): Promise<Driven> {
  const schedule = scheduleOf(plan);
  if (schedule === undefined) throw new Error('replies come by a schedule');
  const random = seededRandom(plan.seed);
  const [nextPlace, nextBusiness] = [placesOf(plan, random), businessesOf(plan, random)];
  const lateness = new LatenessMeter();
  const handingOver: Promise<void>[] = [];
  confirmedMs.clear();
  const handedOverMs = await onSchedule(schedule, startMs, (no, dueMs) => {
    const place = nextPlace(no);
    const business = nextBusiness(no);
    const handset = handsets.get(place);
    if (handset === undefined) return;
    const atMs = nowMs();
    submitted.add(firstMessage + no, business, place, place, dueMs, atMs);
    lateness.note(atMs - dueMs);
    handingOver.push(sendReply(handset, firstMessage + no, businessNumbers[business] ?? ''));
  });
  await Promise.all(handingOver);
  if (openReplies.size > 0) await new Promise<void>((resolve) => (whenConfirmed = resolve));
  for (const notes of [submitted, accepted, refused]) notes.tell();
  return { startMs, handedOverMs, lateness: lateness.read() };
}

async function sendReply(handset: Handset, message: number, number: string): Promise<void> {
  try {
    const id = await handset.reply(number, replyText(message));
    const atMs = confirmedMs.get(id);
    if (atMs === undefined) openReplies.set(id, message);
    else accepted.add(message, atMs, message + 1);
  } catch (error) {
    const { entry } = toChappeError(error);
    refused.add(message, Number(entry.retry === 'never'), entry.code);
  }
}

function noteConfirmed(id: string): void {
  const message = openReplies.get(id);
  if (message === undefined) confirmedMs.set(id, nowMs());
  else accepted.add(message, nowMs(), message + 1);
  closeReply(id);
}

function closeReply(id: string): void {
  openReplies.delete(id);
  if (openReplies.size === 0) whenConfirmed?.();
}

serveParent(take);
