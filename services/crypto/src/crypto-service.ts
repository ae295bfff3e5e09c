/**
 * The crypto service: its tables, its keys and its five calls, behind one gRPC server.
 *
 * It keeps nothing between calls but opened keys. Replicas share the tables; any of them may do
 * any call, and a call whose answer was not committed may be made again elsewhere.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { implement, startServer } from '@chappe/rpc/server';
import type { PeerTls } from '@chappe/rpc/tls';
import { migrate } from '@chappe/store/migrate';
import type { Store } from '@chappe/store/store';
import { rpcMetrics } from '@chappe/telemetry/rpc-metrics';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { DataKeys } from './data-keys.ts';
import { decryptSession } from './decrypt.ts';
import { encryptSession } from './encrypt.ts';
import { cryptoEvents, type CryptoEvents } from './events.ts';
import { readKeyAges } from './key-ages.ts';
import type { KeyEncryptionKeys } from './key-encryption-keys.ts';
import { housekeepingMs, keyAgesEveryMs, operationsInFlightMax, operationsPerCallMax, sliceMs } from './limits.ts';
import { NumberKeys } from './number-keys.ts';
import { SealingKeys } from './sealing-keys.ts';
import { TimeSlice } from './time-slice.ts';

export interface CryptoDependencies {
  /** `host:port` (port 0: any free one) or `unix:/path`. */
  readonly address: string;
  readonly store: Store;
  readonly keyEncryptionKeys: KeyEncryptionKeys;
  readonly telemetry: Telemetry;
  /** Absent: no TLS between the services. */
  readonly peers?: PeerTls;
  /** Milliseconds since 1970. Absent: the system's clock. */
  readonly now?: () => number;
}

export interface CryptoServer extends AsyncDisposable {
  /** With the real port. */
  readonly address: string;
}

/** @throws ChappeError `notReady` if the address is taken or the key-encryption keys are not those of the data */
export async function startCrypto(dependencies: CryptoDependencies): Promise<CryptoServer> {
  const { store, keyEncryptionKeys, telemetry, now = Date.now } = dependencies;
  await migrate(store, { service: 'crypto', directory: new URL('../migrations', import.meta.url) });
  const sealingKeys = new SealingKeys({ store, keyEncryptionKeys, now });
  const dataKeys = new DataKeys({ store, keyEncryptionKeys, now });
  const numberKeys = new NumberKeys({ store, sealingKeys, now });
  await sealingKeys.check();
  await dataKeys.check();

  const events = cryptoEvents(telemetry);
  const sessionDependencies = { numberKeys, sealingKeys, dataKeys, slice: new TimeSlice(sliceMs), now };
  const admit = admission();
  const server = await startServer({
    address: dependencies.address,
    credentials: dependencies.peers?.server,
    onHandled: rpcMetrics(telemetry.metrics),
    onUnexpected: (error, method) => telemetry.log.error({ err: error, method }, 'unexpected fault'),
    implementations: [
      implement(CryptoService, {
        encrypt: ({ sessions }, { signal }) =>
          admit(
            sessions.map(({ plaintexts }) => plaintexts.length),
            async () => {
              const startedAt = performance.now();
              const results = await inOrder(sessions, signal, (session) =>
                encryptSession(session, sessionDependencies),
              );
              events.encrypted(results, (performance.now() - startedAt) / 1000);
              return { sessions: results };
            },
          ),
        decrypt: ({ sessions }, { signal }) =>
          admit(
            sessions.map(({ ciphertexts }) => ciphertexts.length),
            async () => {
              const startedAt = performance.now();
              const results = await inOrder(sessions, signal, (session) =>
                decryptSession(session, sessionDependencies),
              );
              events.decrypted(results, (performance.now() - startedAt) / 1000);
              return { sessions: results };
            },
          ),
        getDataKey: async ({ business, day, existingOnly }) => {
          const { id, bytes } = await dataKeys.get(checkedBusiness(business), day, existingOnly);
          return { keyId: id, key: bytes };
        },
        createNumber: async ({ business, number }) => {
          const { pair } = await numberKeys.createNumber(checkedBusiness(business), checkedNumber(number));
          return { identityKey: pair.publicKey.serialize() };
        },
        getNumberBundle: async ({ number }) => ({ bundle: await numberKeys.bundle(checkedNumber(number)) }),
      }),
    ],
  });
  const housekeeping = nowAndThen(housekeepingMs, () => keepHouse({ dataKeys, numberKeys, events }));
  const lookingAtKeys = nowAndThen(keyAgesEveryMs, async () => {
    try {
      events.keyAges(await readKeyAges(store, keyEncryptionKeys, now()));
    } catch (error) {
      events.keyAgesUnknown(error);
    }
  });
  server.setServing(true);
  return {
    address: server.address,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Promise.all([housekeeping[Symbol.asyncDispose](), lookingAtKeys[Symbol.asyncDispose]()]);
    },
  };
}

async function inOrder<T, R>(items: readonly T[], signal: AbortSignal, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) {
    if (signal.aborted) throw new ChappeError('notReady', 'the call was cancelled or its deadline has passed');
    results.push(await work(item));
  }
  return results;
}

/** Refuses what is too much for one call, or for all of them together. A session counts as one operation more. */
function admission(): <R>(operationsOfSessions: readonly number[], work: () => Promise<R>) => Promise<R> {
  let inFlight = 0;
  return async (operationsOfSessions, work) => {
    const operations = operationsOfSessions.reduce((sum, count) => sum + Math.max(count, 1), 0);
    if (operations > operationsPerCallMax) {
      throw new ChappeError('invalidRequest', `${operations} operations in one call; at most ${operationsPerCallMax}`);
    }
    if (inFlight + operations > operationsInFlightMax) {
      throw new ChappeError('overloaded', 'too many operations are waiting', { retryAfterMs: 500 });
    }
    inFlight += operations;
    try {
      return await work();
    } finally {
      inFlight -= operations;
    }
  };
}

function checkedBusiness(business: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(business)) return business;
  throw new ChappeError('parameterInvalid', 'business: 1 to 64 letters, digits, - or _');
}

function checkedNumber(number: string): string {
  if (/^[1-9][0-9]{4,14}$/.test(number)) return number;
  throw new ChappeError('parameterInvalid', 'number: the 5 to 15 digits of an E.164 number, without +');
}

async function keepHouse(parts: { dataKeys: DataKeys; numberKeys: NumberKeys; events: CryptoEvents }): Promise<void> {
  const { dataKeys, numberKeys, events } = parts;
  try {
    events.keysDestroyed('data', await dataKeys.destroyOld());
    events.keysDestroyed('prekey', await numberKeys.destroyOldPreKeys());
  } catch (error) {
    events.housekeepingFailed(error);
  }
}

/** At the start, and again and again. `act` does not reject. */
function nowAndThen(everyMs: number, act: () => Promise<void>): AsyncDisposable {
  let running = act();
  const timer = setInterval(() => {
    running = running.then(act);
  }, everyMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
