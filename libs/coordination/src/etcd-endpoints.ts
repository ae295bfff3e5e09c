/**
 * The members of an etcd cluster, and how a call finds one that answers.
 *
 * `etcd3` by itself repeats failed transactions (a put whose answer was lost then says that it did
 * not succeed), shuffles calls over members that do not answer, and shuts a member out for 5 s after
 * three failures. So there is one client for each member, without any of that, and one rule: all
 * calls go to one member until it fails one, then to the next. Every call has a deadline.
 */
import { isIP } from 'node:net';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import { CoordinationError } from './coordination.ts';
import { asCoordinationError, isTokenError } from './etcd-error.ts';
import { etcdCallMs, etcdRetryMs, etcdTryMs } from './limits.ts';

export interface EtcdConnectionOptions {
  /** `host:port` of each member; with TLS the host is a name, not an address. */
  readonly endpoints: readonly string[];
  /** PEM. Without it connections are open text. */
  readonly tls?:
    | {
        readonly authority: Buffer;
        readonly certificate?: Buffer | undefined;
        readonly key?: Buffer | undefined;
      }
    | undefined;
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
}

/** gRPC's deadline, in ms since 1970. */
export interface CallOptions {
  readonly deadline: number;
}

interface Member {
  readonly endpoint: string;
  client: Etcd3;
}

export class EtcdEndpoints implements Disposable {
  readonly #options: EtcdConnectionOptions;
  readonly #members: readonly Member[];
  #current: number;
  #closed = false;

  /** @throws CoordinationError `invalid` */
  constructor(options: EtcdConnectionOptions) {
    if (options.endpoints.length === 0) throw new CoordinationError('invalid', 'etcd: name at least one endpoint');
    for (const endpoint of options.endpoints) {
      if (!/^[^\s/:]+:\d+$|^\[[0-9a-f:]+\]:\d+$/i.test(endpoint)) {
        throw new CoordinationError('invalid', `etcd: the endpoint ${endpoint} is not host:port`);
      }
      // Node refuses an address as the name to look for in a certificate.
      if (
        options.tls !== undefined &&
        isIP(endpoint.slice(0, endpoint.lastIndexOf(':')).replaceAll(/[[\]]/g, '')) !== 0
      ) {
        throw new CoordinationError('invalid', `etcd: with TLS name the host of ${endpoint} as its certificate does`);
      }
    }
    this.#options = options;
    this.#members = options.endpoints.map((endpoint) => ({ endpoint, client: connect(endpoint, options) }));
    // Processes begin at different members.
    this.#current = Math.floor(Math.random() * this.#members.length);
  }

  /** What may happen twice: repeated on the next members until the deadline. */
  async repeat<T>(call: (client: Etcd3, options: CallOptions) => Promise<T>): Promise<T> {
    const endAtMs = performance.now() + etcdCallMs;
    for (;;) {
      const leftMs = endAtMs - performance.now();
      try {
        return await this.once(call, Math.min(leftMs, etcdTryMs));
      } catch (error) {
        const isLast = endAtMs - performance.now() < 2 * etcdRetryMs;
        if (isLast || this.#closed || !(error instanceof CoordinationError) || error.kind !== 'unavailable')
          throw error;
        await new Promise((resolve) => setTimeout(resolve, etcdRetryMs));
      }
    }
  }

  /** What must not happen twice: repeated only while no member has got it. */
  async onceSent<T>(call: (client: Etcd3, options: CallOptions) => Promise<T>): Promise<T> {
    for (let tries = this.#members.length; ; tries -= 1) {
      try {
        return await this.once(call);
      } catch (error) {
        if (tries <= 1 || !(error instanceof CoordinationError) || !wasNeverSent(error)) throw error;
      }
    }
  }

  /** One try. @throws CoordinationError */
  async once<T>(call: (client: Etcd3, options: CallOptions) => Promise<T>, withinMs = etcdCallMs): Promise<T> {
    const member = this.current();
    try {
      return await within(withinMs, call(member.client, { deadline: Date.now() + withinMs }));
    } catch (error) {
      throw this.fail(member, error);
    }
  }

  /** The member that calls go to now. @throws CoordinationError `unavailable` after the disposal */
  current(): { readonly endpoint: string; readonly client: Etcd3 } {
    const member = this.#members[this.#current];
    if (this.#closed || member === undefined) throw new CoordinationError('unavailable', 'coordination is closed');
    return member;
  }

  /** Takes note of a failure: if the member is to blame, the next one has its turn. The error to throw. */
  fail(failed: { readonly endpoint: string }, error: unknown): CoordinationError {
    const problem = asCoordinationError(error, failed.endpoint);
    if (this.#closed || problem.kind !== 'unavailable') return problem;
    const index = this.#members.findIndex(({ endpoint }) => endpoint === failed.endpoint);
    const member = this.#members[index];
    if (member !== undefined && isTokenError(error)) this.#renew(member);
    if (index === this.#current) this.#current = (index + 1) % this.#members.length;
    return problem;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { client } of this.#members) client.close();
  }

  /** A client keeps its token for good, unless a plain call hears that it is no longer valid. */
  #renew(member: Member): void {
    member.client.close();
    member.client = connect(member.endpoint, this.#options);
  }
}

function connect(endpoint: string, { tls, auth }: EtcdConnectionOptions): Etcd3 {
  return new Etcd3({
    hosts: `${tls === undefined ? 'http' : 'https'}://${endpoint}`,
    ...(tls && { credentials: credentialsOf(tls) }),
    ...(auth && { auth }),
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + etcdCallMs }),
    faultHandling: { global: noop, host: () => noop },
    grpcOptions: {
      // After an outage of any length a member is asked again at once; gRPC would wait up to 2 min.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      // A snapshot of all ranges, at some 300 bytes each, is larger than gRPC's 4 MB beyond 13,000.
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
    },
  });
}

/** As gRPC says that it had no connection to send a call on. */
function wasNeverSent({ cause }: CoordinationError): boolean {
  return cause instanceof Error && cause.message.includes('No connection established');
}

function credentialsOf(tls: NonNullable<EtcdConnectionOptions['tls']>) {
  return {
    rootCertificate: tls.authority,
    ...(tls.key && { privateKey: tls.key }),
    ...(tls.certificate && { certChain: tls.certificate }),
  };
}

/** A second clock beside gRPC's, which follows the wall clock and does not count the sign-in. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(ms)} ms`)), ms + 50);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
