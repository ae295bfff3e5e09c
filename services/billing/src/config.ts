/** What a billing process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { bundledPriceBooks } from '@chappe/rating/publish';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { logVariables } from '@chappe/drivers/log-driver';
import { storeVariables } from '@chappe/drivers/store-driver';
import { peerVariables } from '@chappe/drivers/tls-files';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';

const schema = z.object({
  /** Where it listens: `host:port` or `unix:/path`. */
  CHAPPE_BILLING_ADDRESS: z.string().default('127.0.0.1:7406'),
  /** The folder with the price books; a published one never changes. */
  CHAPPE_PRICE_BOOKS: z.string().default(bundledPriceBooks),
  /** How many event buckets there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  ...logVariables,
  ...coordinationVariables,
  ...storeVariables('data/billing.sqlite'),
  ...peerVariables,
  ...processVariables(7496),
});

export type BillingConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): BillingConfig {
  return readEnv(schema, environment);
}
