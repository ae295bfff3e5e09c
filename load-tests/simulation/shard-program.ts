/** A sender: the shard itself, and the one RPC through which relays reach it. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ChappeError } from '@chappe/errors/chappe-error';
import { DecryptRequestSchema, EncryptRequestSchema } from '@chappe/proto/internal/crypto_service';
import { ClaimResponseSchema } from '@chappe/proto/internal/pre_key_service';
import { AttachResponseSchema, type AttachRequest, type AttachResponse } from '@chappe/proto/internal/sender_service';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { PriceBooks, type PriceBook } from '@chappe/rating/price-book';
import type { ServerStream } from '@chappe/rpc/server';
import { attach } from '@chappe/sender/attach';
import type { SenderEvents } from '@chappe/sender/events';
import type { RangeWorkerDependencies } from '@chappe/sender/range-worker';
import { Shard } from '@chappe/sender/shard';
import type { Program } from './machine.ts';
import { Unanswered, type Network, type StreamEnd } from './network.ts';
import { devices } from './people.ts';
import { eventBuckets, silentLogger } from './programs.ts';
import { coordinationOf, logOf, storeOf, type Site } from './site.ts';
import type { Life } from './virtual-time.ts';

/** So few that turns leave some for later, and what is done and what is not lie among each other. */
const workerLimits = { batchRecordsMax: 3, readAheadRecordsMax: 16 };
/** Often, so that what waits for prekeys is tried again within a run. */
const tickIntervalMs = 4_000;
const cryptoMs = 3_000;

const prices = { marketing: 0, utility: 50_000, authentication: 0, service: 0 };
const book: PriceBook = {
  version: 'simulation',
  effectiveFromMs: 0,
  currency: 'EUR',
  source: 'a simulation',
  default: prices,
  countries: {},
};
const books = PriceBooks.of([book]);

export function shardProgram(site: Site, zone: string): Program {
  return async (life) => {
    const coordination = coordinationOf(site, 'shard', life);
    const table = await watchRoutingTable(coordination);
    const [main, second] = [storeOf(site, 'shard', life), storeOf(site, 'shard', life, 'second')];
    const shard = new Shard({
      id: life.name,
      instance: life.label,
      zone,
      capacity: 1_500,
      address: life.name,
      coordination,
      table,
      stores: { of: (id) => (id === 'second' ? second : main) },
      tickIntervalMs,
      handOverMs: 5_000,
      worker: {
        log: logOf(site, 'shard', life),
        ...peersOf(site, life),
        books: () => books,
        events: eventsOf(site, life),
        logger: silentLogger,
        eventBuckets,
        now: () => Date.now(),
        limits: workerLimits,
      },
    });
    site.shards.set(life.name, { life, serve: (stream) => attach(shard, onTheWire(stream)) });
    shard.start();
    return {
      [Symbol.asyncDispose]: async () => {
        await shard[Symbol.asyncDispose]();
        await table[Symbol.asyncDispose]();
      },
    };
  };
}

/** Frames are bytes on their way: what one side does with its own does not show on the other. */
function onTheWire(
  stream: StreamEnd<AttachResponse, AttachRequest>,
): ServerStream<AttachRequest, MessageInitShape<typeof AttachResponseSchema>> {
  return {
    bearer: '',
    signal: new AbortController().signal,
    requests: stream.requests,
    send: (frame) => stream.send(decodeMessage(AttachResponseSchema, encodeMessage(AttachResponseSchema, frame))),
  };
}

function peersOf(site: Site, life: Life): Pick<RangeWorkerDependencies, 'crypto' | 'preKeys'> {
  const { network, crypto, keys } = site;
  const ask = async <T>(name: string, to: Life, work: () => T): Promise<T> => {
    try {
      return await network.call(life, to, { name, timeoutMs: cryptoMs }, work);
    } catch (error) {
      if (error instanceof Unanswered) throw new ChappeError('notReady', error.message);
      throw error;
    }
  };
  const { service } = crypto;
  return {
    // The calls that range workers make; all others are the gateway's and the relay's.
    crypto: {
      encrypt: (request) => ask('encrypt', crypto.life, () => service.encrypt(create(EncryptRequestSchema, request))),
      decrypt: (request) => ask('decrypt', crypto.life, () => service.decrypt(create(DecryptRequestSchema, request))),
    } as RangeWorkerDependencies['crypto'],
    preKeys: {
      claim: ({ claims = [] }) =>
        ask('claim', keys, () =>
          create(ClaimResponseSchema, { results: claims.map((claim) => bundleOf(network, claim)) }),
        ),
    },
  };
}

/**
 * Now and then there is none. Not where a person has two devices: the one without would not get that message at all,
 * and could show a later one before the other shows it (ARCHITECTURE.md, what is not mended yet).
 */
function bundleOf(network: Network, { contact, device }: { readonly contact?: string; readonly device?: number }) {
  const own = devices.filter((one) => one.contact === contact);
  const known = own.find((one) => one.device === device);
  if (known === undefined) return {};
  const isEmpty = own.length === 1 && network.faults.happens(`no prekeys of ${contact}`, network.rates.delayed);
  return isEmpty ? {} : { bundle: { identityKey: known.identityKey, device: known.device } };
}

function eventsOf({ trace, alarms }: Site, { label }: Life): SenderEvents {
  const say = (what: string): void => trace.say(label, what);
  return {
    workerStarted: (range, epoch, nextOffset) => say(`works on ${range} under epoch ${epoch} from ${nextOffset}`),
    workerEnded: (range, end) => {
      say(`gives ${range} up: ${end.kind}${'reason' in end ? `, ${end.reason}` : ''}`);
      if (end.kind === 'alarm' || end.kind === 'failed') alarms.push(`${label} stopped ${range}: ${end.reason}`);
    },
    claimRefused: (range, epoch, rowEpoch) => say(`was refused ${range} under ${epoch}: it is at ${rowEpoch}`),
    turnCommitted: (range, commands, { envelopes }) =>
      say(`commits ${commands} commands and ${envelopes.length} envelopes of ${range}`),
    turnRefused: (range, error) => say(`makes a turn of ${range} again: ${textOf(error)}`),
    clocksApart: (range, aheadMs) => say(`clocks are ${aheadMs} ms apart, by ${range}`),
    acknowledged: () => undefined,
    deadRecord: (range, offset, reason) => alarms.push(`${label} passed over record ${offset} of ${range}: ${reason}`),
    commandHeld: (range, offset, reason) => alarms.push(`${label} holds record ${offset} of ${range}: ${reason}`),
    undecryptable: (range, reason) => say(`hears of an unreadable envelope of ${range}: ${reason}`),
    shardProblem: (message, error) => say(`${message}: ${textOf(error)}`),
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
