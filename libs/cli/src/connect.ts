/** From a command's options to a connection: whose address, whose key. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { Channel } from '@chappe/rpc/client';
import { UsageError } from './failure.ts';
import { findBusiness, readLocalSettings } from './local-settings.ts';
import type { BusinessOptions, ConnectionOptions, OperatorOptions } from './options.ts';
import { serverTrust } from './tls.ts';

export const defaultGatewayAddress = '127.0.0.1:7410';
export const defaultDeviceAddress = '127.0.0.1:7420';
export const defaultAdminPort = 7430;

/** An option, else the environment, else the node of the data folder, else the default port. */
function gatewayAddress(options: ConnectionOptions): string {
  return (
    options.address ??
    process.env['CHAPPE_ADDRESS'] ??
    readLocalSettings(options.data).node?.gateway ??
    defaultGatewayAddress
  );
}

function deviceAddress(options: ConnectionOptions): string {
  return (
    options.address ??
    process.env['CHAPPE_DEVICE_ADDRESS'] ??
    readLocalSettings(options.data).node?.devices ??
    defaultDeviceAddress
  );
}

/** An option, else the environment, else what `chappe business create` kept. */
export function apiKey(options: BusinessOptions): string {
  if (options.apiKey !== undefined) return options.apiKey;
  const fromEnvironment = process.env['CHAPPE_API_KEY'];
  if (options.business === undefined && fromEnvironment !== undefined) return fromEnvironment;
  const business = findBusiness(readLocalSettings(options.data), options.business);
  if (business !== undefined) return business.apiKey;
  throw new UsageError(
    options.business === undefined
      ? `no business is known in ${options.data}. Run \`chappe business create\`, name the folder with --data, or give --api-key.`
      : `no business ${options.business} was created with ${options.data}. \`chappe business list\` shows all; give --api-key for one that was created elsewhere.`,
  );
}

function adminKey(options: OperatorOptions): string {
  const given = options.adminKey ?? process.env['CHAPPE_ADMIN_KEY'];
  if (given !== undefined) return given;
  const path = join(options.data, 'admin-key');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new UsageError(
      `no admin key: ${path} cannot be read. Run this where \`chappe up\` keeps its data, name that folder with --data, or give --admin-key.`,
      { cause: error },
    );
  }
}

/** A connection under a business's key. */
export function connectBusiness(options: BusinessOptions): ChappeClient {
  return new ChappeClient({ address: gatewayAddress(options), apiKey: apiKey(options), ...serverTrust(options) });
}

/** Where handsets connect. */
export function connectDevice(options: ConnectionOptions): Channel {
  return new Channel({ address: deviceAddress(options), ...serverTrust(options) });
}

/** Runs `act` with one connection under a business's key. */
export async function withBusiness<T>(options: BusinessOptions, act: (client: ChappeClient) => Promise<T>): Promise<T> {
  using client = connectBusiness(options);
  return await act(client);
}

/** Runs `act` with one connection under the admin key. */
export async function withOperator<T>(options: OperatorOptions, act: (client: AdminClient) => Promise<T>): Promise<T> {
  using client = new AdminClient({
    address: gatewayAddress(options),
    adminKey: adminKey(options),
    ...serverTrust(options),
  });
  return await act(client);
}
