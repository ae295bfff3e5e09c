/**
 * The life of a process with one service: read the configuration, answer for health and metrics from the
 * first moment, start as soon as the servers that it needs answer, and stop in order.
 *
 * ```
 * config -> admin server (not ready) -> drivers, service (tried again while a server is away)
 *        -> line `ready` on standard output -> SIGTERM or SIGINT -> not ready -> service drains and
 *        ends -> drivers close -> admin server ends
 * ```
 *
 * `--check-config` reads the configuration and ends. A second signal ends the process at once.
 */
import { ConfigError, type Environment } from '@chappe/config/read-env';
import { CoordinationError } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import { LogError } from '@chappe/log/log-error';
import { StoreError } from '@chappe/store/store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { processMetrics } from '@chappe/telemetry/process-metrics';
import { collectProcessMetrics, openTelemetry, type Telemetry } from '@chappe/telemetry/telemetry';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { certificateFiles } from './certificate-files.ts';
import type { ProcessConfig } from './process-variables.ts';
import { startMsMax, startRetryMs, stopMsMax } from './limits.ts';

export interface RunningService extends AsyncDisposable {
  /** Where it listens; absent: nowhere. */
  readonly address?: string;
  /** Why it is not ready, by part; empty: ready. */
  notReady(): Readonly<Record<string, string>>;
}

export interface StartContext {
  readonly telemetry: Telemetry;
  /** Made anew with every start of the process. */
  readonly instance: string;
  /** What is opened here is closed after the service, or when its start fails. */
  readonly opened: AsyncDisposableStack;
}

export interface ServiceProcess<C extends ProcessConfig> {
  readonly service: string;
  readonly readConfig: (environment: Environment) => C;
  /** Called again after a wait if a server that it needs is away. */
  readonly start: (config: C, context: StartContext) => Promise<RunningService>;
}

export async function runService<C extends ProcessConfig>(options: ServiceProcess<C>): Promise<void> {
  try {
    const config = options.readConfig(process.env);
    if (process.argv.includes('--check-config')) process.stdout.write('the configuration can be used\n');
    else await live(options, config);
  } catch (error) {
    const tried = isAway(error) ? `gave up after ${startMsMax / 1000} s: ` : '';
    const text = isKnown(error) ? tried + described(error) : String(error instanceof Error ? error.stack : error);
    process.stderr.write(`chappe ${options.service}: ${text}\n`);
    process.exitCode = 1;
  }
}

async function live<C extends ProcessConfig>(options: ServiceProcess<C>, config: C): Promise<void> {
  const { service } = options;
  const telemetry = openTelemetry({ service, level: config.CHAPPE_LOG_LEVEL });
  collectProcessMetrics(telemetry);
  const stopping = new AbortController();
  void Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => stopping.abort());

  const state: { running?: RunningService; problem: string } = { problem: 'starting' };
  const notReady = (): Readonly<Record<string, string>> =>
    state.running === undefined || stopping.signal.aborted ? { [service]: state.problem } : state.running.notReady();
  const isReady = (): boolean => Object.keys(notReady()).length === 0;
  processMetrics(telemetry.metrics, { isReady, certificates: certificateFiles(config) });
  const { CHAPPE_ADMIN_HOST: host, CHAPPE_ADMIN_PORT: port } = config;
  await using admin = await startAdminServer({ host, port, metrics: () => telemetry.metrics.metrics(), notReady });

  await using opened = new AsyncDisposableStack();
  const running = await startInTime(options, config, { telemetry, stopping: stopping.signal, opened, state });
  if (running === undefined) return;
  state.running = running;
  const ready = { ready: true, service, ...addressOf(running), admin: `${host}:${admin.port}` };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  telemetry.log.info({ event: 'ready', address: running.address, adminPort: admin.port });
  // Now and not at the end, which may be a kill: the next start finds it (NODE_COMPILE_CACHE).
  flushCompileCache();

  if (!stopping.signal.aborted) await once(stopping.signal, 'abort');
  state.problem = 'stopping';
  const startedMs = performance.now();
  const tooLong = setTimeout(() => {
    telemetry.log.error({ event: 'stop_cut_short', afterMs: stopMsMax });
    process.exit(1);
  }, stopMsMax);
  tooLong.unref();
  await opened.disposeAsync();
  telemetry.log.info({ event: 'stopped', tookMs: Math.round(performance.now() - startedMs) });
}

interface Starting {
  readonly telemetry: Telemetry;
  readonly stopping: AbortSignal;
  readonly opened: AsyncDisposableStack;
  readonly state: { problem: string };
}

/** Undefined: asked to stop before it could start. @throws what kept it from starting until the limit */
async function startInTime<C extends ProcessConfig>(
  { start }: ServiceProcess<C>,
  config: C,
  { telemetry, stopping, opened, state }: Starting,
): Promise<RunningService | undefined> {
  const instance = randomUUID();
  const endMs = performance.now() + startMsMax;
  let waitMs: number = startRetryMs.first;
  while (!stopping.aborted) {
    const attempt = new AsyncDisposableStack();
    try {
      const running = attempt.use(await start(config, { telemetry, instance, opened: attempt }));
      opened.use(attempt);
      return running;
    } catch (error) {
      await attempt.disposeAsync();
      if (!isAway(error) || performance.now() + waitMs > endMs) throw error;
      const problem = described(error);
      state.problem = `cannot start yet: ${problem}`;
      telemetry.log.warn({ event: 'start_failed', problem, retryInMs: waitMs });
      await sleep(waitMs, undefined, { signal: stopping }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, startRetryMs.longest);
    }
  }
  return undefined;
}

/** Whether a server that was needed did not answer, or is not as far yet: then it is tried again. */
function isAway(error: unknown): error is Error {
  if (error instanceof StoreError) return error.kind === 'unavailable' || error.kind === 'refused';
  if (error instanceof LogError || error instanceof CoordinationError) return error.kind === 'unavailable';
  return error instanceof ChappeError && error.entry.retry === 'same';
}

/** What is wrong, and the variable that names the server which it is about. */
function described(error: Error): string {
  const variable = variableOf(error);
  return variable === undefined ? error.message : `${error.message} (the server of ${variable})`;
}

function variableOf(error: Error): string | undefined {
  if (error instanceof StoreError) return 'CHAPPE_STORE';
  if (error instanceof LogError) return 'CHAPPE_LOG';
  return error instanceof CoordinationError ? 'CHAPPE_COORDINATION' : undefined;
}

function isKnown(error: unknown): error is Error {
  return (
    error instanceof ChappeError ||
    error instanceof StoreError ||
    error instanceof LogError ||
    error instanceof CoordinationError ||
    error instanceof ConfigError
  );
}

function addressOf({ address }: RunningService): { address?: string } {
  return address === undefined ? {} : { address };
}
