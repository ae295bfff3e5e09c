/**
 * One connection to one broker: requests out, answers in, a deadline for each.
 *
 * A request that misses its deadline ends the connection, and every failure of a connection fails all
 * that waits on it: whether the broker took a request that was not answered is not known, and a late
 * answer must not be taken for another one's. A closed connection is never opened again.
 *
 * A broker answers the requests of a connection one after the other, so whoever waits long (a reader,
 * an append to slow replicas) has a connection of its own.
 */
import { connect as connectTcp, isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { connectTimeoutMs, kafkaFrameBytesMax, requestTimeoutMs } from './kafka-limits.ts';
import { frame } from './kafka-protocol.ts';
import type { EncodedRequest, KafkaRequest } from './kafka-protocol.ts';
import { authenticate } from './kafka-sasl.ts';
import type { KafkaSasl } from './kafka-sasl.ts';

export interface KafkaAccess {
  readonly clientId: string;
  /** TLS: `true` for the system's authorities, or Node's own options. */
  readonly ssl?: boolean | ConnectionOptions;
  readonly sasl?: KafkaSasl;
}

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** The broker could not be reached, did not answer in time or closed the connection. */
export class ConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConnectionError';
  }
}

interface Waiting {
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: ConnectionError) => void;
  readonly timer: NodeJS.Timeout;
}

export async function openConnection(address: BrokerAddress, access: KafkaAccess): Promise<KafkaConnection> {
  const socket = await openSocket(address, access.ssl);
  const connection = new KafkaConnection(socket, address, access.clientId);
  if (access.sasl === undefined) return connection;
  try {
    const lifetimeMs = await authenticate(access.sasl, address, (request) => connection.send(request));
    connection.expireAfter(lifetimeMs);
    return connection;
  } catch (error) {
    connection.close(`the login failed: ${messageOf(error)}`);
    throw new ConnectionError(`${nameOf(address)}: the login failed: ${messageOf(error)}`, { cause: error });
  }
}

export class KafkaConnection {
  readonly address: BrokerAddress;
  readonly #socket: Socket;
  readonly #clientId: string;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #requests = 0;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #failure: ConnectionError | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #isExpired = false;

  constructor(socket: Socket, address: BrokerAddress, clientId: string) {
    this.address = address;
    this.#socket = socket;
    this.#clientId = clientId;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.close(error.message));
    socket.on('close', () => this.close('the broker closed the connection'));
  }

  /** Whether new requests may begin on it. */
  get isOpen(): boolean {
    return this.#failure === undefined && !this.#isExpired;
  }

  /** @throws ConnectionError. */
  async send<T>({ request, decode }: KafkaRequest<T>, timeoutMs = requestTimeoutMs): Promise<T> {
    this.#requests += 1;
    try {
      return await decode(await this.#exchange(request, timeoutMs));
    } finally {
      this.#requests -= 1;
      this.#closeIfDone();
    }
  }

  async #exchange(request: EncodedRequest, timeoutMs: number): Promise<Buffer> {
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) % 0x7fff_ffff;
    const bytes = await frame(request, id, this.#clientId);
    return new Promise<Buffer>((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const timer = setTimeout(() => this.close(`${request.apiName} was not answered in ${timeoutMs} ms`), timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.write(bytes);
    });
  }

  /**
   * Before its login ends the connection takes no more requests, answers what it has and closes.
   * (A broker closes a connection on the first request after the end.)
   */
  expireAfter(lifetimeMs: number): void {
    if (lifetimeMs <= 0) return;
    const expire = (): void => {
      this.#isExpired = true;
      this.#closeIfDone();
    };
    this.#expiry = setTimeout(expire, lifetimeMs * 0.8).unref();
  }

  /** Ends the connection at once; everything that waits on it fails with this reason. */
  close(reason: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = new ConnectionError(`${nameOf(this.address)}: ${reason}`);
    clearTimeout(this.#expiry);
    this.#socket.destroy();
    this.#chunks = [];
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(this.#failure);
    }
    this.#waiting.clear();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    for (;;) {
      const size = this.#frameSize();
      if (size === undefined || this.#bufferedBytes < 4 + size) return;
      const buffered = this.#joined();
      const answer = buffered.subarray(4, 4 + size);
      this.#chunks = [buffered.subarray(4 + size)];
      this.#bufferedBytes -= 4 + size;
      this.#answer(answer.readInt32BE(0), answer.subarray(4));
    }
  }

  #frameSize(): number | undefined {
    if (this.#bufferedBytes < 4) return undefined;
    const first = this.#chunks[0];
    const size = (first !== undefined && first.length >= 4 ? first : this.#joined()).readInt32BE(0);
    if (size >= 4 && size <= kafkaFrameBytesMax) return size;
    this.close(`an answer of ${size} bytes is none of Kafka's`);
    return undefined;
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    if (this.#chunks.length === 1 && first !== undefined) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }

  #answer(id: number, payload: Buffer): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      this.close(`an answer to request ${id}, which was not asked`);
      return;
    }
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.resolve(payload);
  }

  #closeIfDone(): void {
    if (this.#isExpired && this.#requests === 0) this.close('the login has ended');
  }
}

function openSocket(address: BrokerAddress, ssl: KafkaAccess['ssl']): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = address;
    const isTls = ssl !== undefined && ssl !== false;
    const socket = isTls
      ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...(ssl === true ? {} : ssl) })
      : connectTcp({ host, port });
    const fail = (reason: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new ConnectionError(`${nameOf(address)}: ${reason}`));
    };
    const onError = (error: Error): void => fail(error.message);
    const timer = setTimeout(() => fail(`no connection in ${connectTimeoutMs} ms`), connectTimeoutMs);
    socket.once('error', onError);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 10_000);
      resolve(socket);
    });
  });
}

export function nameOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
