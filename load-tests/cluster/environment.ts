/**
 * What the processes of the local cluster are told, and what is made before their first start: a name, so
 * that every new cluster has topics, keys and a database of its own on the same servers; the operator's key.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'mysql2/promise';
import { etcd } from '../stack/etcd.ts';
import { kafka } from '../stack/kafka.ts';
import { mariadb } from '../stack/mariadb.ts';
import { onLoopback } from '../stack/places.ts';
import type { Places } from '../stack/places.ts';
import { stackContext } from '../stack/stack-context.ts';
import type { StackEnvironment } from '../stack/stack-context.ts';
import { addressesOf, adminPortOf, dataFolder, initialBounds, preKeyAddresses } from './layout.ts';
import type { Member } from './layout.ts';
import { nodeEnvironment } from './node-settings.ts';

export interface ClusterIdentity {
  readonly name: string;
  readonly adminKey: string;
}

/** The cluster of the data folder, made if there is none. */
export async function identityOfCluster(): Promise<ClusterIdentity> {
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  const name = await readOrMake('name', () => `c${randomBytes(4).toString('hex')}`);
  const adminKey = await readOrMake('admin-key', () => `admin_${randomBytes(32).toString('base64url')}`);
  return { name, adminKey };
}

/** Its database, with the right to make it that the stack gives; or a further one, for a second store. */
export async function makeDatabase(
  { name }: ClusterIdentity,
  zones: 1 | 2,
  places = onLoopback,
  further = '',
): Promise<void> {
  const connection = await createConnection(stackEnvironment(zones, places).CHAPPE_MYSQL_URL ?? '');
  try {
    await connection.query(
      `CREATE DATABASE IF NOT EXISTS ${databaseOf(name)}${further} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin`,
    );
  } finally {
    await connection.end();
  }
}

/** Where a further database is, as an operator names it. */
export function furtherStoreAddress(
  { name }: ClusterIdentity,
  zones: 1 | 2,
  places: typeof onLoopback,
  further: string,
): string {
  const { host } = new URL(stackEnvironment(zones, places).CHAPPE_MYSQL_URL ?? '');
  return `mysql://${host}/${databaseOf(name)}${further}`;
}

/** The whole environment of one process, besides this one's. */
export function environmentOf(
  member: Member,
  { name }: ClusterIdentity,
  zones: 1 | 2,
  places = onLoopback,
): Readonly<Record<string, string>> {
  const stack = stackEnvironment(zones, places);
  const { host } = places[member.zone];
  const address = `${host}:${member.port}`;
  const common = {
    CHAPPE_LOG: `kafka://${stack.CHAPPE_KAFKA_BROKERS}?replication=${stack.CHAPPE_KAFKA_REPLICATION}&prefix=${name}.`,
    CHAPPE_COORDINATION: `etcd://${stack.CHAPPE_ETCD_ENDPOINTS}?prefix=/${name}&cluster=${name}`,
    CHAPPE_STORE: (stack.CHAPPE_MYSQL_URL ?? '').replace(/\/[^/]*$/, `/${databaseOf(name)}`),
    CHAPPE_CRYPTO_ADDRESS: addressesOf('crypto', places),
    CHAPPE_BILLING_ADDRESS: addressesOf('billing', places),
    CHAPPE_PRE_KEY_ADDRESS: preKeyAddresses(places),
    CHAPPE_ADMIN_HOST: host,
    CHAPPE_ADMIN_PORT: String(adminPortOf(member)),
    ...nodeEnvironment,
    CHAPPE_LOG_LEVEL: process.env['CHAPPE_LOG_LEVEL'] ?? 'info',
  };
  switch (member.service) {
    case 'gateway':
      return { ...common, CHAPPE_GATEWAY_ADDRESS: address, CHAPPE_ADMIN_KEY_FILE: `${dataFolder}/admin-key` };
    case 'coordinator':
      return { ...common, CHAPPE_INITIAL_BOUNDS: initialBounds };
    case 'sender':
      return { ...common, CHAPPE_SENDER_ADDRESS: address, CHAPPE_SHARD_ID: member.name, CHAPPE_ZONE: member.zone };
    case 'crypto':
      return {
        ...common,
        CHAPPE_CRYPTO_ADDRESS: address,
        CHAPPE_CRYPTO_KEYS: `${dataFolder}/key-encryption-keys`,
      };
    case 'relay':
      return {
        ...common,
        CHAPPE_RELAY_DEVICE_ADDRESS: address,
        CHAPPE_RELAY_INTERNAL_ADDRESS: `${host}:${member.internalPort}`,
        CHAPPE_RELAY_CODES_PATH: `${dataFolder}/registration-codes.jsonl`,
      };
    case 'billing':
      return { ...common, CHAPPE_BILLING_ADDRESS: address };
  }
}

function stackEnvironment(zones: 1 | 2, places: Places): StackEnvironment {
  const context = { ...stackContext(zones, () => undefined), places };
  return Object.assign({}, ...[kafka, etcd, mariadb].map((part) => part.environment(context))) as StackEnvironment;
}

function databaseOf(name: string): string {
  return `chappe_${name}`;
}

async function readOrMake(file: string, make: () => string): Promise<string> {
  const path = `${dataFolder}/${file}`;
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known !== undefined) return known.trim();
  const made = make();
  await writeFile(path, `${made}\n`, { mode: 0o600 });
  return made;
}
