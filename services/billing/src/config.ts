/** What a billing process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { bundledPriceBooks } from '@chappe/rating/publish';
import { z } from 'zod';

const schema = z.object({
  /** Where it listens: `host:port` or `unix:/path`. */
  CHAPPE_BILLING_ADDRESS: z.string().default('127.0.0.1:7406'),
  /** The folder with the SQLite files of log, store and coordination. */
  CHAPPE_DATA: z.string().default('data'),
  /** The folder with the price books; a published one never changes. */
  CHAPPE_PRICE_BOOKS: z.string().default(bundledPriceBooks),
  /** How many event buckets there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: wholeNumber(7496),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type BillingConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): BillingConfig {
  return readEnv(schema, environment);
}
