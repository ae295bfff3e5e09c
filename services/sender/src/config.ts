/** What a sender process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { z } from 'zod';

const schema = z.object({
  /** The shard's name: it stays the same over restarts. */
  CHAPPE_SHARD_ID: z.string().regex(/^[A-Za-z0-9._-]+$/, 'letters, digits, `.`, `_` and `-`'),
  CHAPPE_ZONE: z.string().default('local'),
  /** Where relays and gateways reach it: `host:port`. */
  CHAPPE_SENDER_ADDRESS: z.string().default('127.0.0.1:7403'),
  CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
  /** Where a relay serves prekeys. */
  CHAPPE_PRE_KEY_ADDRESS: z.string().default('127.0.0.1:7406'),
  /** The SQLite files of contacts, of the log and of coordination. */
  CHAPPE_SENDER_STORE: z.string().default('data/sender.sqlite'),
  CHAPPE_LOG_PATH: z.string().default('data/log.sqlite'),
  CHAPPE_COORDINATION_PATH: z.string().default('data/coordination.sqlite'),
  /** How many event topics there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: wholeNumber(7493),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type SenderConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): SenderConfig {
  return readEnv(schema, environment);
}
