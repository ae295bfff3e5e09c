/** What a gateway process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { z } from 'zod';

const schema = z.object({
  /** Where it listens: `host:port` or `unix:/path`. */
  CHAPPE_GATEWAY_ADDRESS: z.string().default('127.0.0.1:7401'),
  /** Its SQLite files. */
  CHAPPE_GATEWAY_STORE: z.string().default('data/gateway.sqlite'),
  CHAPPE_LOG_PATH: z.string().default('data/log.sqlite'),
  CHAPPE_COORDINATION_PATH: z.string().default('data/coordination.sqlite'),
  CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
  CHAPPE_BILLING_ADDRESS: z.string().default('127.0.0.1:7406'),
  /** The operator's key; at least 16 characters. Give it as CHAPPE_ADMIN_KEY_FILE. */
  CHAPPE_ADMIN_KEY: z.string().min(16),
  /** The same for everybody who writes or reads events, and never changed. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  /** Messages a second that one business may hand over, and how many at once. */
  CHAPPE_RATE_PER_SECOND: wholeNumber(5_000),
  CHAPPE_RATE_BURST: wholeNumber(10_000),
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: wholeNumber(7491),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type GatewayConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): GatewayConfig {
  return readEnv(schema, environment);
}
