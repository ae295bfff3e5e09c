/**
 * The sending application over HTTP: a request for each message, on connections that are kept, and a server whose
 * URL each request names for the delivery report.
 */
import { Agent, createServer, request, type Server } from 'node:http';
import { once } from 'node:events';
import { nowMs } from '../load/monotonic-clock.ts';
import { requestsInFlight } from './limits.ts';
import type { Observer } from './system.ts';

export interface HttpApplicationOptions {
  /** Where the gateway takes messages. */
  readonly port: number;
  readonly reportPort: number;
  /** Path and query of the request that hands a message over. */
  readonly pathOf: (index: number, contact: string, reportUrl: string) => string;
  readonly isAccepted: (status: number, body: string) => boolean;
  /** Whether a report, by the query of its URL, says "delivered". */
  readonly saysDelivered: (query: URLSearchParams) => boolean;
  /** The body that the gateway wants as answer to a report. */
  readonly reportAnswer: string;
}

export class HttpApplication implements AsyncDisposable {
  readonly #options: HttpApplicationOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: requestsInFlight });
  readonly #reports: Server;

  constructor(options: HttpApplicationOptions, observer: Observer) {
    this.#options = options;
    this.#reports = createServer((report, answer) => {
      const { searchParams } = new URL(report.url ?? '', 'http://127.0.0.1');
      report.resume();
      answer.end(options.reportAnswer);
      if (options.saysDelivered(searchParams)) observer.reported(Number(searchParams.get('message')), nowMs());
    });
  }

  async listen(): Promise<void> {
    this.#reports.listen(this.#options.reportPort, '127.0.0.1');
    await once(this.#reports, 'listening');
  }

  submit(index: number, contact: string): Promise<void> {
    const { port, reportPort, pathOf, isAccepted } = this.#options;
    const path = pathOf(index, contact, `http://127.0.0.1:${reportPort}/report?message=${index}`);
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path, agent: this.#agent }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (text: string) => (body += text));
        answer.once('error', reject);
        answer.once('end', () => {
          if (isAccepted(answer.statusCode ?? 0, body)) resolve();
          else reject(new Error(`refused with ${answer.statusCode}: ${body.slice(0, 200)}`));
        });
      });
      sent.once('error', reject);
      sent.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    this.#reports.closeAllConnections();
    this.#reports.close();
    await once(this.#reports, 'close');
  }
}
