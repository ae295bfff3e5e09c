/** What the processes of one simulated cluster share: the network between them and the servers behind it. */
import type { CoordinatorDependencies } from '@chappe/coordinator/coordinator';
import type { Coordination } from '@chappe/coordination/coordination';
import type { Log } from '@chappe/log/log';
import type { AttachRequest, AttachResponse } from '@chappe/proto/internal/sender_service';
import type { Store } from '@chappe/store/store';
import type { ConnectRequest, ConnectResponse } from '@chappe/proto/device/device_service';
import type { CounterCrypto } from './counter-crypto.ts';
import { networkCoordination, type CoordinationServer } from './network-coordination.ts';
import { networkLog, type LogServer } from './network-log.ts';
import { networkStore, type StoreServer } from './network-store.ts';
import type { Network, StreamEnd } from './network.ts';
import type { Device } from './people.ts';
import type { Rule } from '../faults/break/rules.ts';
import type { Submission, Answer } from './submissions.ts';
import type { Trace } from './trace.ts';
import type { Life } from './virtual-time.ts';

export interface Site {
  readonly network: Network;
  readonly trace: Trace;
  readonly coordination: CoordinationServer;
  readonly log: LogServer;
  /** The senders'. */
  readonly store: StoreServer;
  /** Their second one, for ranges that are moved there. */
  readonly secondStore: StoreServer;
  /** Of whoever reads events. */
  readonly events: StoreServer;
  readonly crypto: { readonly life: Life; readonly service: CounterCrypto };
  /** Where relays keep prekeys. */
  readonly keys: Life;
  /** Who serves under an address now. */
  readonly shards: Map<string, ServedBy<AttachResponse, AttachRequest>>;
  readonly relays: Map<string, ServedBy<ConnectResponse, ConnectRequest>>;
  readonly gateways: Map<string, Gateway>;
  /** What coordinators' decisions by load go by. */
  readonly decisions: NonNullable<CoordinatorDependencies['decisions']>;
  /** What the product says that a person must look at: nothing in here is such a thing. */
  readonly alarms: string[];
  /** The drivers as the broken rule has them; else as they are. */
  readonly broken: Broken;
}

export type Role = 'coordinator' | 'shard' | 'relay' | 'gateway' | 'consumer';

/** How a rule is broken: in place of each driver that a process is handed. */
export interface Broken {
  readonly rule?: Rule;
  readonly log?: (log: Log, role: Role, life: Life) => Log;
  readonly store?: (store: Store, role: Role, life: Life) => Store;
  readonly coordination?: (coordination: Coordination, role: Role, life: Life) => Coordination;
}

export interface ServedBy<Out, In> {
  readonly life: Life;
  /** The device is named where the caller is one. */
  readonly serve: (stream: StreamEnd<Out, In>, device?: Device) => Promise<void>;
}

export interface Gateway {
  readonly life: Life;
  readonly send: (submissions: readonly Submission[]) => Promise<Answer[]>;
}

export function logOf({ network, log, broken }: Site, role: Role, life: Life): Log {
  const own = networkLog(network, log, life);
  return broken.log?.(own, role, life) ?? own;
}

/** @param id of senders' stores: `main` or `second` */
export function storeOf(
  { network, store, secondStore, events, broken }: Site,
  role: Role,
  life: Life,
  id = 'main',
): Store {
  const ofRanges = id === 'main' ? store : secondStore;
  const own = networkStore(network, role === 'consumer' ? events : ofRanges, life);
  return broken.store?.(own, role, life) ?? own;
}

export function coordinationOf({ network, coordination, broken }: Site, role: Role, life: Life): Coordination {
  const own = networkCoordination(network, coordination, life);
  return broken.coordination?.(own, role, life) ?? own;
}
