/** A TCP proxy before the server: it can stand still, cut every connection, or lose the answer to a COMMIT. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** What happens to a COMMIT on its way. */
export type CommitFate = 'passes' | 'answer_is_lost' | 'is_lost';

export class Proxy implements AsyncDisposable {
  readonly port: number;
  commitFate: CommitFate = 'passes';
  readonly #server: Server;
  #standsStill = false;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  static async start(target: { readonly host: string; readonly port: number }): Promise<Proxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a server without a port');
    const proxy = new Proxy(server, address.port);
    server.on('connection', (client) => proxy.#join(client, connect(target.port, target.host)));
    return proxy;
  }

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** Of new connections as well. */
  standStill(): void {
    this.#standsStill = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  goOn(): void {
    this.#standsStill = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    let losesAnswers = false;
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (data: Buffer) => {
      const isCommit = data.subarray(-6).toString() === 'COMMIT';
      if (isCommit && this.commitFate === 'is_lost') return end();
      losesAnswers ||= isCommit && this.commitFate === 'answer_is_lost';
      server.write(data);
    });
    server.on('data', (data) => {
      if (losesAnswers) end();
      else client.write(data);
    });
    if (this.#standsStill) for (const socket of pair) socket.pause();
  }
}
