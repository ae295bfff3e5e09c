/**
 * The connections of one channel: which servers there are, and which of them the next call goes to.
 *
 * `stick`: all calls to one server until it fails one, then to the next; for callers from outside, whose
 * work is a few long streams. `spread`: calls take turns over the servers that say by the standard health
 * service that they serve; for services, which call replicas thousands of times a second. If no server is
 * known to serve, those are tried that say otherwise, and then those that say nothing: a wrong suspicion must
 * not stop what would have worked.
 */
import {
  Client as GrpcClient,
  connectivityState,
  status,
  type ChannelCredentials,
  type ChannelOptions as GrpcOptions,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import { GrpcStatus } from '@chappe/errors/catalogue';
import { ChappeError } from '@chappe/errors/chappe-error';
import { codeOf, hasNotLeft, noConnection } from './call-failure.ts';
import { connectMs, healthDeadlineMs, healthIntervalMs, reasonDeadlineMs, silentMs } from './limits.ts';

export type Balance = 'stick' | 'spread';

export interface Endpoint {
  readonly address: string;
  readonly client: GrpcClient;
}

type Condition = 'serving' | 'not serving' | 'silent';

interface Member extends Endpoint {
  condition: Condition;
  /** On the process's clock. */
  silentSinceMs: number;
}

/** From the best on. */
const conditions: readonly Condition[] = ['serving', 'not serving', 'silent'];

/** `a:1,b:2` -> each of them. @throws ChappeError `parameterInvalid` */
export function addressesIn(list: string): string[] {
  const addresses = list
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  if (addresses.length > 0) return [...new Set(addresses)];
  throw new ChappeError('parameterInvalid', 'an address is host:port, or several with commas between');
}

export class Endpoints implements Disposable {
  readonly #members: readonly Member[];
  readonly #balance: Balance;
  readonly #timer: NodeJS.Timeout | undefined;
  #next: number;

  constructor(addresses: readonly string[], balance: Balance, credentials: ChannelCredentials, options: GrpcOptions) {
    this.#balance = balance;
    this.#members = addresses.map((address) => ({
      address,
      client: new GrpcClient(address, credentials, options),
      condition: 'serving',
      silentSinceMs: 0,
    }));
    // Callers begin at different servers.
    this.#next = Math.floor(Math.random() * this.#members.length);
    if (balance === 'stick' || this.#members.length === 1) return;
    this.#timer = setInterval(() => this.#members.forEach((member) => this.#look(member)), healthIntervalMs);
    this.#timer.unref();
  }

  /** How many calls may be tried, each at another server. */
  get size(): number {
    return this.#members.length;
  }

  pick(): Endpoint {
    const now = performance.now();
    const best = conditions.find((condition) => this.#members.some((member) => conditionOf(member, now) === condition));
    const { length } = this.#members;
    for (let step = 0; step < length; step += 1) {
      const at = (this.#next + step) % length;
      const member = this.#members[at];
      if (member === undefined || conditionOf(member, now) !== best) continue;
      this.#next = this.#balance === 'spread' ? (at + 1) % length : at;
      // Nobody says anything: everybody gets a try again.
      if (best === 'silent') for (const each of this.#members) each.condition = 'serving';
      return member;
    }
    throw new ChappeError('notReady', 'the channel has no address');
  }

  /** A call there ended so: the next one goes elsewhere if the server is away, stopping or silent. */
  ended(endpoint: Endpoint, error: unknown): void {
    const code = codeOf(error);
    if (code !== GrpcStatus.unavailable && code !== GrpcStatus.deadlineExceeded) return;
    const at = this.#members.findIndex(({ client }) => client === endpoint.client);
    const member = this.#members[at];
    if (member === undefined || this.#members.length === 1) return;
    note(member, code === GrpcStatus.deadlineExceeded || hasNotLeft(error) ? 'silent' : 'not serving');
    if (this.#next === at) this.#next = (at + 1) % this.#members.length;
  }

  /**
   * Ends a call that waits for a connection which does not come. By itself it would wait as long as TCP tries,
   * which is two minutes, or until its deadline; alone at its address it may.
   */
  leaveUnlessReached({ client }: Endpoint, { call }: Pick<ClientUnaryCall, 'call'>): void {
    if (this.#members.length === 1 || client.getChannel().getConnectivityState(true) === connectivityState.READY)
      return;
    client.waitForReady(Date.now() + connectMs, (error) => {
      if (error !== undefined) call?.cancelWithStatus(status.UNAVAILABLE, `${noConnection} within ${connectMs} ms`);
    });
  }

  /** Resolves when one of them answers. @throws ChappeError `notReady` when none has after `timeoutMs`. */
  async waitForReady(timeoutMs: number): Promise<void> {
    try {
      await Promise.any(this.#members.map(({ client }) => ready(client, timeoutMs)));
    } catch (error) {
      const where = this.#members.map(({ address }) => address).join(', ');
      const reasons = new Set(await Promise.all(this.#members.map(({ client }) => whyNotReady(client))));
      const why = [...reasons].filter((reason) => reason !== '').join('; ');
      const detail = `no answer from ${where} within ${timeoutMs} ms${why === '' ? '' : `: ${why}`}`;
      throw new ChappeError('notReady', detail, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { client } of this.#members) client.close();
  }

  #look(member: Member): void {
    const deadline = Date.now() + healthDeadlineMs;
    member.client.makeUnaryRequest(healthCheckPath, identity, identity, wholeServer, { deadline }, (error, answer) => {
      if (error === null) note(member, isServing(answer) ? 'serving' : 'not serving');
      else note(member, isWithoutHealthService(error) ? 'serving' : 'silent');
    });
  }
}

function note(member: Member, condition: Condition): void {
  member.condition = condition;
  if (condition === 'silent') member.silentSinceMs = performance.now();
}

/** Who was silent long ago may have come back, and nobody asks it: it is tried like one that does not serve. */
function conditionOf({ condition, silentSinceMs }: Member, now: number): Condition {
  return condition === 'silent' && now - silentSinceMs > silentMs ? 'not serving' : condition;
}

/** grpc.health.v1: the empty request asks for the whole server; field 1 of the answer is 1 for SERVING. */
const healthCheckPath = '/grpc.health.v1.Health/Check';
const wholeServer = Buffer.alloc(0);
const identity = (bytes: Buffer): Buffer => bytes;

function isServing(answer: Buffer | undefined): boolean {
  return answer !== undefined && answer.equals(Buffer.from([0x08, 0x01]));
}

function isWithoutHealthService({ code }: ServiceError): boolean {
  return code === status.UNIMPLEMENTED;
}

function ready(client: GrpcClient, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + timeoutMs, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

/** grpc-js tells why there is no connection only to a call that fails; empty: it says nothing. */
async function whyNotReady(client: GrpcClient): Promise<string> {
  const deadline = Date.now() + reasonDeadlineMs;
  try {
    return await new Promise((resolve) => {
      client.makeUnaryRequest(healthCheckPath, identity, identity, wholeServer, { deadline }, (error) =>
        resolve(error?.code === status.UNAVAILABLE ? error.details : ''),
      );
    });
  } catch {
    // The channel was closed meanwhile: a reason of its own, and the caller's.
    return '';
  }
}
