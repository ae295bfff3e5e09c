/** What a crypto process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { z } from 'zod';

const schema = z.object({
  /** Where it listens: `host:port` or `unix:/path`. */
  CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
  /** Its SQLite file. */
  CHAPPE_CRYPTO_STORE: z.string().default('data/crypto.sqlite'),
  /** The file with the key-encryption keys; made on a first start. */
  CHAPPE_CRYPTO_KEYS: z.string().default('data/key-encryption-keys'),
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: wholeNumber(7494),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type CryptoConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): CryptoConfig {
  return readEnv(schema, environment);
}
