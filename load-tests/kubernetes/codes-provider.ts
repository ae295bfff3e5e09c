/** Where relays POST one-time codes, as they do to a provider of text messages: on the machine, outside of the cluster. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { hostAddress } from '../../charts/lab/layout.ts';

const port = 7_409;

export class CodesProvider implements AsyncDisposable {
  readonly #codes = new Map<string, string>();
  readonly #server: Server;

  static readonly url = `http://${hostAddress}:${port}/codes`;

  static async start(): Promise<CodesProvider> {
    const provider = new CodesProvider();
    provider.#server.listen(port, hostAddress);
    await once(provider.#server, 'listening');
    return provider;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      void text(request).then(
        (body) => {
          const { number, code } = JSON.parse(body) as { readonly number: string; readonly code: string };
          this.#codes.set(number, code);
          response.writeHead(204).end();
        },
        () => response.destroy(),
      );
    });
  }

  /** A relay has been told before the handset that asked. @throws Error if no code was sent to the number */
  async codeOf(number: string): Promise<string> {
    const code = this.#codes.get(number);
    if (code === undefined) throw new Error(`no code was sent to ${number}`);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
