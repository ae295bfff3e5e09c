/** What a crypto process is told by its environment. */
import { readEnv, type Environment } from '@chappe/config/read-env';
import { storeVariables } from '@chappe/drivers/store-driver';
import { peerVariables } from '@chappe/drivers/tls-files';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';

const schema = z.object({
  /** Where it listens: `host:port` or `unix:/path`. */
  CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
  /** The file with the key-encryption keys; made on a first start. */
  CHAPPE_CRYPTO_KEYS: z.string().default('data/key-encryption-keys'),
  ...storeVariables('data/crypto.sqlite'),
  ...peerVariables,
  ...processVariables(7494),
});

export type CryptoConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): CryptoConfig {
  return readEnv(schema, environment);
}
