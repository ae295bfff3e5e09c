/** A real relay on embedded drivers, and what a device makes to call it. */
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { openEmbeddedCoordination, type EmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Log } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { DeviceService } from '@chappe/proto/device/device_service';
import { RegistrationService, type RegisterRequestSchema } from '@chappe/proto/device/registration_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { formatRange, type Range } from '@chappe/ranges/range';
import { formatShardInfo } from '@chappe/ranges/shard-info';
import { Channel, type Client } from '@chappe/rpc/client';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { IdentityKeyPair, KEMKeyPair, PrivateKey } from '@signalapp/libsignal-client';
import { startRelay, type Relay } from '../src/relay.ts';

export const contact = '33612345678';
export const businessNumber = '33600000001';

export interface Harness extends AsyncDisposable {
  readonly relay: Relay;
  readonly coordination: EmbeddedCoordination;
  readonly log: Log;
  readonly store: Store;
  /** Codes that were sent, newest last. */
  readonly codes: { readonly number: string; readonly code: string }[];
  /** Milliseconds since 1970, moved by the test. */
  readonly clock: { nowMs: number };
  readonly registration: Client<typeof RegistrationService>;
  readonly preKeys: Client<typeof PreKeyService>;
  device(credential: string): Client<typeof DeviceService>;
  /** Requests a code and registers with it. */
  register(keys?: DeviceKeys): Promise<{ device: number; credential: string }>;
  /** Registers with a link code. */
  link(code: string): Promise<{ device: number; credential: string }>;
  /** As Prometheus reads them. */
  metrics(): Promise<string>;
}

export interface HarnessOptions {
  /** Stands before the log that the relay appends to. */
  readonly before?: (log: Log) => Log;
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const stack = new AsyncDisposableStack();
  const path = await mkdtemp(join(tmpdir(), 'chappe-relay-'));
  stack.defer(() => rm(path, { recursive: true }));
  const coordination = stack.use(await openEmbeddedCoordination({}));
  const log = stack.use(await openSqliteLog({ path: join(path, 'log.sqlite') }));
  const store = stack.use(await openSqliteStore({ path: join(path, 'store.sqlite') }));
  await log.createTopic('range-r-1');
  await putRange(coordination, {});
  await coordination.transact(
    [],
    [
      { kind: 'put', key: 'generation', value: '1' },
      { kind: 'put', key: `numbers/${businessNumber}`, value: JSON.stringify({ business: 'b-1', name: 'Acme' }) },
    ],
  );

  const codes: { number: string; code: string }[] = [];
  const clock = { nowMs: Date.now() };
  const telemetry = openTelemetry({ service: 'relay', level: 'silent' });
  const relay = await startRelay({
    deviceAddress: '127.0.0.1:0',
    internalAddress: '127.0.0.1:0',
    // Nothing listens there: the tests of bundles of numbers are crypto's.
    cryptoAddress: '127.0.0.1:1',
    coordination,
    log: options.before?.(log) ?? log,
    store,
    telemetry,
    instance: 'test',
    codes: {
      async send(number, code) {
        codes.push({ number, code });
      },
    },
    now: () => clock.nowMs,
  });
  stack.use(relay);
  const channel = (address: string, bearer?: string): Channel =>
    stack.use(new Channel(bearer === undefined ? { address } : { address, bearer }));
  const registration = channel(relay.deviceAddress).client(RegistrationService);
  return {
    relay,
    coordination,
    log,
    store,
    codes,
    clock,
    registration,
    preKeys: channel(relay.internalAddress).client(PreKeyService),
    device: (credential) => channel(relay.deviceAddress, credential).client(DeviceService),
    async register(keys = makeKeys()) {
      await registration.requestCode({ number: `+${contact}` });
      return registration.register({
        number: `+${contact}`,
        proof: { case: 'code', value: codes.at(-1)?.code ?? '' },
        ...keys,
      });
    },
    link: (code) =>
      registration.register({ number: `+${contact}`, proof: { case: 'linkCode', value: code }, ...makeKeys() }),
    metrics: () => telemetry.metrics.metrics(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Writes the one range of all numbers, as a coordinator would. */
export async function putRange(coordination: EmbeddedCoordination, changes: Partial<Range>): Promise<void> {
  const range: Range = {
    id: 'r-1',
    start: '',
    end: ':',
    state: 'active',
    owner: undefined,
    ownerInstance: undefined,
    epoch: 1,
    topic: 'range-r-1',
    store: 's',
    ...changes,
  };
  await coordination.transact([], [{ kind: 'put', key: `ranges/${range.id}`, value: formatRange(range) }]);
}

export async function putShard(coordination: EmbeddedCoordination, id: string, address: string): Promise<void> {
  const info = {
    id,
    instance: `${id}-1`,
    address,
    zone: 'a',
    capacity: 1,
    ranges: 1,
    rate: 0,
    attachedDevices: 0,
    load: {},
  };
  await coordination.transact([], [{ kind: 'put', key: `shards/${id}`, value: formatShardInfo(info) }]);
}

export type DeviceKeys = Omit<MessageInitShape<typeof RegisterRequestSchema>, '$typeName' | 'number' | 'proof'> & {
  preKeys: { id: number; publicKey: Uint8Array }[];
};

export function makeKeys(preKeyCount = 3): DeviceKeys & { identity: IdentityKeyPair } {
  const identity = IdentityKeyPair.generate();
  return {
    identity,
    registrationId: randomInt(1, 16_380),
    identityKey: identity.publicKey.serialize(),
    ...makeSignedKeys(identity, 1),
    preKeys: makePreKeys(1, preKeyCount),
  };
}

export function makeSignedKeys(
  identity: IdentityKeyPair,
  id: number,
): Required<Pick<DeviceKeys, 'signedPreKey' | 'lastResortKyberPreKey'>> {
  const signed = PrivateKey.generate().getPublicKey().serialize();
  const kyber = KEMKeyPair.generate().getPublicKey().serialize();
  return {
    signedPreKey: { id, publicKey: signed, signature: identity.privateKey.sign(signed) },
    lastResortKyberPreKey: { id, publicKey: kyber, signature: identity.privateKey.sign(kyber) },
  };
}

export function makePreKeys(firstId: number, count: number): { id: number; publicKey: Uint8Array }[] {
  return Array.from({ length: count }, (_, index) => ({
    id: firstId + index,
    publicKey: PrivateKey.generate().getPublicKey().serialize(),
  }));
}

/** An error of the catalogue, for `assert.rejects`. */
export function refusedWith(reason: string, detail?: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof Error &&
    'reason' in error &&
    error.reason === reason &&
    (detail === undefined || detail.test(error.message));
}
