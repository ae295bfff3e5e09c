/** What crypto counts and logs. Labels are the words of the proto's enums; never ids, never content. */
import { CryptoFailure, Verdict } from '@chappe/proto/internal/crypto_service';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { DecryptSessionInit } from './decrypt.ts';
import type { EncryptSessionInit } from './encrypt.ts';
import type { KeyAges } from './key-ages.ts';
import { dataKeyLifeDays, dayMs, preKeyLifeMs } from './limits.ts';

export interface CryptoEvents {
  encrypted(results: readonly EncryptSessionInit[], seconds: number): void;
  decrypted(results: readonly DecryptSessionInit[], seconds: number): void;
  keysDestroyed(kind: 'data' | 'prekey', count: number): void;
  housekeepingFailed(error: unknown): void;
  keyAges(ages: KeyAges): void;
  keyAgesUnknown(error: unknown): void;
}

const failureWords = wordsOf(CryptoFailure);
const verdictWords = wordsOf(Verdict);

export function cryptoEvents({ log, metrics }: Telemetry): CryptoEvents {
  const seconds = new Histogram({
    name: 'chappe_crypto_call_seconds',
    help: 'How long a call took, waiting for its turn included',
    labelNames: ['operation'],
    buckets: [0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2],
    registers: [metrics],
  });
  const operations = new Counter({
    name: 'chappe_crypto_operations_total',
    help: 'Messages encrypted and decrypted, by result',
    labelNames: ['operation', 'result'],
    registers: [metrics],
  });
  const sessionFailures = new Counter({
    name: 'chappe_crypto_session_failures_total',
    help: 'Sessions that failed as a whole, by reason',
    labelNames: ['operation', 'failure'],
    registers: [metrics],
  });
  // At 0 from the start on: what is first seen at 1 is no increase to Prometheus.
  for (const failure of [CryptoFailure.SEAL_BROKEN, CryptoFailure.KEY_UNAVAILABLE])
    for (const operation of ['encrypt', 'decrypt'])
      sessionFailures.inc({ operation, failure: wordOf(failureWords, failure) }, 0);
  const keysDestroyed = new Counter({
    name: 'chappe_crypto_keys_destroyed_total',
    help: 'Keys destroyed by age',
    labelNames: ['kind'],
    registers: [metrics],
  });

  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    // Threads of one process are added up where nothing else is said.
    new Gauge({ name, help, labelNames, aggregator: 'max', registers: [metrics] });
  const keyEncryptionKey = gauge(
    'chappe_crypto_key_encryption_key_seconds',
    'Time since the key-encryption key that wraps now wrapped for the first time',
  );
  const wrappedByOlder = gauge(
    'chappe_crypto_keys_wrapped_by_older',
    'Keys of a day that are wrapped under an older key-encryption key',
  );
  const oldest = gauge('chappe_crypto_oldest_key_seconds', 'Age of the oldest key', ['kind']);
  const life = gauge('chappe_crypto_key_life_seconds', 'How old a key becomes before it is destroyed', ['kind']);
  life.set({ kind: 'data' }, (dataKeyLifeDays * dayMs) / 1_000);
  life.set({ kind: 'prekey' }, preKeyLifeMs / 1_000);

  const count = (
    operation: 'encrypt' | 'decrypt',
    sessions: readonly (EncryptSessionInit | DecryptSessionInit)[],
    took: number,
    results: ReadonlyMap<string, number>,
  ): void => {
    seconds.labels(operation).observe(took);
    for (const [result, times] of results) operations.labels(operation, result).inc(times);
    for (const { failure } of sessions) {
      if (failure !== undefined && failure !== CryptoFailure.UNSPECIFIED) {
        sessionFailures.labels(operation, wordOf(failureWords, failure)).inc();
      }
    }
  };

  return {
    encrypted(sessions, took) {
      const results = sessions.flatMap((session) => session.results ?? []);
      const words = results.map(({ failure }) => (failure === undefined ? 'ok' : wordOf(failureWords, failure)));
      count('encrypt', sessions, took, tally(words));
    },
    decrypted(sessions, took) {
      const results = sessions.flatMap((session) => session.results ?? []);
      count('decrypt', sessions, took, tally(results.map(({ verdict }) => wordOf(verdictWords, verdict))));
    },
    keysDestroyed(kind, times) {
      if (times > 0) keysDestroyed.labels(kind).inc(times);
    },
    keyAges({ keyEncryptionKeyMs, wrappedByOlder: wrapped, oldestDataKeyMs, oldestPreKeyMs }) {
      keyEncryptionKey.set(keyEncryptionKeyMs / 1_000);
      wrappedByOlder.set(wrapped);
      oldest.set({ kind: 'data' }, oldestDataKeyMs / 1_000);
      oldest.set({ kind: 'prekey' }, oldestPreKeyMs / 1_000);
    },
    keyAgesUnknown(error) {
      log.warn({ err: error }, 'how old keys are could not be read; it is tried again');
    },
    housekeepingFailed(error) {
      log.error({ err: error }, 'old keys could not be destroyed; tried again in an hour');
    },
  };
}

function tally(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function wordOf(words: ReadonlyMap<number, string>, value: number | undefined): string {
  return words.get(value ?? 0) ?? 'unknown';
}

/** The names of an enum of the proto files, in lower case, by number. */
function wordsOf(names: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(names).map(([name, value]) => [value, name.toLowerCase()]));
}
