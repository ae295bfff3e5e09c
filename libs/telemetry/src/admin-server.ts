/** The HTTP port for people and machines that look after the process: /metrics, /healthz, /readyz. */
import { ChappeError } from '@chappe/errors/chappe-error';
import fastify from 'fastify';
import { Registry } from 'prom-client';

export interface AdminServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** In the text form of Prometheus. */
  readonly metrics: () => Promise<string>;
  /** Why the process is not ready, by part; empty: ready. */
  readonly notReady: () => Readonly<Record<string, string>>;
}

export interface AdminServer extends AsyncDisposable {
  readonly port: number;
}

/** @throws ChappeError `notReady` if the port is taken. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const app = fastify({ logger: false });
  app.get('/metrics', async (_request, reply) => {
    reply.type(Registry.PROMETHEUS_CONTENT_TYPE);
    return options.metrics();
  });
  app.get('/healthz', () => ({ live: true }));
  app.get('/readyz', async (_request, reply) => {
    const problems = options.notReady();
    const ready = Object.keys(problems).length === 0;
    reply.code(ready ? 200 : 503);
    return { ready, problems };
  });
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    const detail = `cannot listen on ${options.host}:${options.port}. Is another process using the port? Set CHAPPE_ADMIN_PORT to another one`;
    throw new ChappeError('notReady', detail, { cause: error });
  }
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    [Symbol.asyncDispose]: () => app.close(),
  };
}
