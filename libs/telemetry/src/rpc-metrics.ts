/** The duration of every call that a process's gRPC servers ended. */
import { Histogram, type Registry } from 'prom-client';

export type OnHandled = (service: string, method: string, code: number, seconds: number) => void;

export function rpcMetrics(metrics: Registry): OnHandled {
  const name = 'chappe_rpc_server_seconds';
  const existing = metrics.getSingleMetric(name);
  const histogram =
    existing instanceof Histogram
      ? existing
      : new Histogram({
          name,
          help: 'How long calls took until they ended, by service, method and gRPC status number',
          labelNames: ['service', 'method', 'code'],
          buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
          registers: [metrics],
        });
  return (service, method, code, seconds) => histogram.labels(service, method, String(code)).observe(seconds);
}
