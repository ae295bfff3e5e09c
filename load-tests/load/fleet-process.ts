/**
 * Handsets of a load test, in a process of their own: real devices with their own keys, which decrypt,
 * store in memory and acknowledge.
 */
import { Handset } from '@chappe/handset/handset';
import { memoryState } from '@chappe/handset/handset-state';
import { registerHandset, requestCode } from '@chappe/handset/register';
import { Channel } from '@chappe/rpc/client';
import { CodesFile } from './codes-file.ts';
import { numberAt } from './contacts.ts';
import type { FleetRequest } from './fleet.ts';
import { idHash } from './id-hash.ts';
import { nowMs } from './monotonic-clock.ts';
import { Notes, serveParent } from './serve-parent.ts';
import { numberIn } from './texts.ts';

/** HTTP/2 connections that the handsets share: a few, so that no single one is the limit. */
const connections = 4;
/** Registrations under way at a time. */
const registering = 24;

/** Rows: message by its text, contact, business, id, shown at. */
const shown = new Notes('shown');
const handsets = new Map<number, Handset>();
let channels: readonly Channel[] = [];
let codes: CodesFile | undefined;
let businesses: ReadonlyMap<string, number> = new Map();

async function take(request: FleetRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      codes = new CodesFile(request.codesFile);
      channels = Array.from({ length: connections }, () => new Channel({ address: request.address }));
      businesses = new Map(request.businessNumbers.map((number, business) => [number, business]));
      return;
    case 'register': {
      const places = request.places.filter((place) => !handsets.has(place)).values();
      const work = async (): Promise<void> => {
        for (const place of places) await register(place, request.preKeyCount);
      };
      await Promise.all(Array.from({ length: registering }, work));
      return;
    }
  }
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
        shown.add(numberIn(message.body), place, businesses.get(from) ?? -1, idHash(messageId), nowMs());
      },
    },
  });
  handsets.set(place, handset);
  void handset.connect();
  await connected.promise;
}

serveParent(take);
