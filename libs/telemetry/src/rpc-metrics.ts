/** What a process counts of gRPC: the duration of every call that its servers ended, and its own calls that failed. */
import { Counter, Histogram, type Registry } from 'prom-client';

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

export type OnFailed = (service: string, method: string, code: number) => void;

export function rpcFailures(metrics: Registry): OnFailed {
  const name = 'chappe_rpc_client_failures_total';
  const existing = metrics.getSingleMetric(name);
  const counter =
    existing instanceof Counter
      ? existing
      : new Counter({
          name,
          help: 'Attempts at calls of other services that failed, by service, method and gRPC status number',
          labelNames: ['service', 'method', 'code'],
          registers: [metrics],
        });
  return (service, method, code) => counter.labels(service, method, String(code)).inc();
}
