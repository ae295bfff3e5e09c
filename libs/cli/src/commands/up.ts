/** `chappe up`: the standalone node in the foreground, its data in a folder. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { defaultAdminPort, defaultDeviceAddress, defaultGatewayAddress } from '../connect.ts';
import { readLocalSettings, writeLocalSettings } from '../local-settings.ts';
import { examples, readPort, withData } from '../options.ts';
import { note, print, printJson } from '../output.ts';
import { startNode } from '../standalone-node.ts';
import { onStopSignal } from '../stop-signal.ts';
import { formatFields } from '../table.ts';

interface UpOptions {
  readonly data: string;
  readonly gateway: string;
  readonly devices: string;
  readonly adminPort: number;
  readonly logLevel?: string;
  readonly json?: boolean;
}

export function upCommand(program: Command): void {
  withData(program.command('up').description('start the standalone node; its data survives restarts; Ctrl-C ends it'))
    .option('--gateway <host:port>', 'where businesses connect', defaultGatewayAddress)
    .option('--devices <host:port>', 'where handsets connect', defaultDeviceAddress)
    .option('--admin-port <port>', 'metrics and health', readPort, defaultAdminPort)
    .option('--log-level <level>', 'debug, info, warn or error')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('chappe up', 'chappe up --data /var/lib/chappe --gateway 0.0.0.0:7410'))
    .action(up);
}

async function up(options: UpOptions): Promise<void> {
  const stopped = new AbortController();
  using _ = onStopSignal(() => stopped.abort());

  await using node = await startNode({
    dataFolder: options.data,
    gatewayAddress: options.gateway,
    deviceAddress: options.devices,
    adminPort: options.adminPort,
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
    onLine: note,
  });
  stopped.signal.addEventListener('abort', () => node.stop(), { once: true });
  if (stopped.signal.aborted) node.stop();

  const { gateway, devices, admin } = node;
  writeLocalSettings(options.data, { ...readLocalSettings(options.data), node: { gateway, devices } });
  if (options.json === true) printJson({ ready: true, gateway, devices, admin, data: resolve(options.data) });
  else print(readyText(options, node));
  process.exitCode = await node.ended;
}

function readyText(options: UpOptions, node: { gateway: string; devices: string; admin: string }): string {
  const folder = options.data === 'data' ? '' : ` --data ${options.data}`;
  return [
    formatFields([
      ['businesses', node.gateway],
      ['handsets', node.devices],
      ['metrics', node.admin],
      ['data', resolve(options.data)],
    ]),
    '',
    'Next, in another terminal:',
    `  chappe business create 'My shop' --number +33123456789${folder}`,
  ].join('\n');
}
