/** What a gateway process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { logVariables } from '@chappe/drivers/log-driver';
import { storeVariables } from '@chappe/drivers/store-driver';
import { peerVariables, serverTlsVariables } from '@chappe/drivers/tls-files';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';
import { countedBusinessesMax } from './limits.ts';

const businessIds = z
  .string()
  .regex(/^([\w-]{1,64}(,[\w-]{1,64})*)?$/, 'ids of businesses with commas between')
  .default('')
  .transform((text) => [...new Set(text.split(',').filter((id) => id !== ''))])
  .refine((ids) => ids.length <= countedBusinessesMax, `at most ${countedBusinessesMax} businesses`);

const schema = z.object({
  /** Where it listens: `host:port` or `unix:/path`. */
  CHAPPE_GATEWAY_ADDRESS: z.string().default('127.0.0.1:7401'),
  /** Of that address. */
  ...serverTlsVariables('CHAPPE_GATEWAY'),
  ...peerVariables,
  /** These two: an address, or several with commas between. */
  CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
  CHAPPE_BILLING_ADDRESS: z.string().default('127.0.0.1:7406'),
  /** The operator's key; at least 16 characters. Give it as CHAPPE_ADMIN_KEY_FILE. */
  CHAPPE_ADMIN_KEY: z.string().min(16),
  /** The same for everybody who writes or reads events, and never changed. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  /** Messages a second that one business may hand over, and how many at once. */
  CHAPPE_RATE_PER_SECOND: wholeNumber(5_000),
  CHAPPE_RATE_BURST: wholeNumber(10_000),
  /** Businesses that metrics count by themselves; all others are counted together. Ids with commas between. */
  CHAPPE_COUNTED_BUSINESSES: businessIds,
  ...logVariables,
  ...coordinationVariables,
  ...storeVariables('data/gateway.sqlite'),
  ...processVariables(7491),
});

export type GatewayConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): GatewayConfig {
  return readEnv(schema, environment);
}
