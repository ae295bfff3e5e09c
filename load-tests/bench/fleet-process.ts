/**
 * The handsets of a benchmark, in a process of their own: real devices with their own keys, which
 * decrypt, store in memory and acknowledge. Driven by its parent over IPC (fleet.ts).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Handset } from '@chappe/handset/handset';
import { memoryState, type HandsetState } from '@chappe/handset/handset-state';
import { registerHandset, requestCode } from '@chappe/handset/register';
import { Channel } from '@chappe/rpc/client';
import type { FleetAnswer, FleetRequest } from './fleet.ts';
import { inParallel } from './in-parallel.ts';

const states = new Map<string, HandsetState>();
const handsets: Handset[] = [];
const codes = new Map<string, string>();
let shown: [string, number][] = [];
let channels: Channel[] = [];
let codesFile = '';
let codesRead = 0;

/** HTTP/2 connections that the handsets share: a few, so that no single one is the limit. */
const connections = 4;
/** Registrations under way at a time. */
const registering = 32;

const answer = (message: FleetAnswer): void => void process.send?.(message);

async function take(request: FleetRequest): Promise<void> {
  switch (request.kind) {
    case 'start':
      codesFile = request.codesFile;
      channels = Array.from({ length: connections }, () => new Channel({ address: request.address }));
      break;
    case 'register':
      await inParallel(registering, request.numbers, (number) => register(number, request.preKeyCount));
      break;
    case 'connect':
      for (const number of request.numbers) connect(number);
      break;
    case 'usage':
      answer({ kind: 'usage', cpu: process.cpuUsage(), rssBytes: process.memoryUsage.rss() });
      return;
  }
  answer({ kind: 'done' });
}

async function register(number: string, preKeyCount: number): Promise<void> {
  const state = memoryState();
  const channel = channelOf(number);
  await requestCode(channel, number);
  await registerHandset({ channel, number, proof: { code: codeOf(number) }, state, preKeyCount });
  states.set(number, state);
}

function connect(number: string): void {
  const state = states.get(number);
  if (state === undefined) throw new Error('connect what is registered');
  const handset = new Handset({ channel: channelOf(number), state, listener: { onMessage: noteShown }, shownKept: 1 });
  handsets.push(handset);
  void handset.connect();
}

function noteShown({ messageId }: { messageId: string }): void {
  shown.push([messageId, performance.timeOrigin + performance.now()]);
  if (shown.length === 1) setImmediate(tell);
}

function tell(): void {
  answer({ kind: 'shown', messages: shown });
  shown = [];
}

function channelOf(number: string): Channel {
  const channel = channels[Number(number.slice(-4)) % connections];
  if (channel === undefined) throw new Error('start comes first');
  return channel;
}

/** The file is only appended to: each call reads on from where the last one stopped. */
function codeOf(number: string): string {
  if (!codes.has(number)) {
    const file = openSync(codesFile, 'r');
    const bytes = Buffer.alloc(fstatSync(file).size - codesRead);
    readSync(file, bytes, 0, bytes.length, codesRead);
    closeSync(file);
    const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
    codesRead += whole.length;
    for (const line of whole.toString('utf8').split('\n')) {
      if (line === '') continue;
      const entry = JSON.parse(line) as { number: string; code: string };
      codes.set(entry.number, entry.code);
    }
  }
  const code = codes.get(number);
  if (code === undefined) throw new Error('the node did not write the code down');
  return code;
}

process.on('message', (request) => {
  take(request as FleetRequest).catch((error: unknown) => {
    answer({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : 'unknown' });
  });
});
process.on('disconnect', () => process.exit(0));
