/** What a sender process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { logVariables } from '@chappe/drivers/log-driver';
import { rangeStoreVariables, storeVariables } from '@chappe/drivers/store-driver';
import { peerVariables } from '@chappe/drivers/tls-files';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';
import { usualCapacity } from './limits.ts';

const schema = z.object({
  /** The shard's name: it stays the same over restarts. */
  CHAPPE_SHARD_ID: z.string().regex(/^[A-Za-z0-9._-]+$/, 'letters, digits, `.`, `_` and `-`'),
  /** Where it runs. Empty, as where Kubernetes gives no such label to pods: the coordinator looks it up. */
  CHAPPE_ZONE: z.string().default('local'),
  /** Commands a second that it can take: what shares of the ranges and the number of senders are reckoned by. */
  CHAPPE_SHARD_CAPACITY: z.coerce
    .number()
    .int()
    .min(1, 'from 1 to 100000')
    .max(100_000, 'from 1 to 100000')
    .default(usualCapacity),
  /** Where it listens, for relays and gateways: `host:port`. */
  CHAPPE_SENDER_ADDRESS: z.string().default('127.0.0.1:7403'),
  /** Where others reach it; absent: at CHAPPE_SENDER_ADDRESS. */
  CHAPPE_SENDER_ADVERTISED_ADDRESS: z.string().optional(),
  /** An address, or several with commas between. */
  CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
  /** Where relays serve prekeys: one, or several with commas between. */
  CHAPPE_PRE_KEY_ADDRESS: z.string().default('127.0.0.1:7407'),
  /** How many event topics there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  ...logVariables,
  ...coordinationVariables,
  ...storeVariables('data/sender.sqlite'),
  ...rangeStoreVariables,
  ...peerVariables,
  ...processVariables(7493),
});

export type SenderConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): SenderConfig {
  return readEnv(schema, environment);
}
