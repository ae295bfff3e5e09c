/** The standalone node as a process: `chappe up` starts it. One line of JSON says that it is ready. */
import { BlobError } from '@chappe/blobs/blobs';
import { ConfigError } from '@chappe/config/read-env';
import { CoordinationError } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import { LogError } from '@chappe/log/log-error';
import { webhookCodeSender } from '@chappe/relay/code-sender';
import { StoreError } from '@chappe/store/store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { processMetrics } from '@chappe/telemetry/process-metrics';
import { collectProcessMetrics, openTelemetry } from '@chappe/telemetry/telemetry';
import { once } from 'node:events';
import { readConfig } from './config.ts';
import { startStandalone } from './standalone.ts';

try {
  const config = readConfig(process.env);
  const telemetry = openTelemetry({ service: 'standalone', level: config.CHAPPE_LOG_LEVEL });
  collectProcessMetrics(telemetry);
  // Started over a channel, it stops when whoever started it is gone; the channel alone keeps nothing running.
  process.channel?.unref();
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT'), once(process, 'disconnect')]);
  const { CHAPPE_CODES_URL: url, CHAPPE_CODES_TOKEN: token } = config;
  await using node = await startStandalone({
    dataFolder: config.CHAPPE_DATA,
    gatewayAddress: config.CHAPPE_GATEWAY_ADDRESS,
    deviceAddress: config.CHAPPE_DEVICE_ADDRESS,
    initialBounds: config.CHAPPE_INITIAL_BOUNDS.split(',').filter((bound) => bound !== ''),
    shards: config.CHAPPE_SHARDS,
    ratePerSecond: config.CHAPPE_RATE_PER_SECOND,
    telemetry,
    ...(url === undefined ? {} : { codes: webhookCodeSender(token === undefined ? { url } : { url, token }) }),
  });
  const isReady = (): boolean => Object.keys(node.notReady()).length === 0;
  processMetrics(telemetry.metrics, { isReady, certificates: [] });
  const { CHAPPE_ADMIN_HOST: host, CHAPPE_ADMIN_PORT: port } = config;
  await using admin = await startAdminServer({
    host,
    port,
    metrics: () => node.metrics(),
    notReady: () => node.notReady(),
  });
  const ready = {
    ready: true,
    gateway: node.gatewayAddress,
    devices: node.deviceAddress,
    admin: `${host}:${admin.port}`,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  await stopped;
} catch (error) {
  const known = [ChappeError, ConfigError, StoreError, LogError, CoordinationError, BlobError].some(
    (kind) => error instanceof kind,
  );
  process.stderr.write(
    `chappe: ${known && error instanceof Error ? error.message : String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exitCode = 1;
}
