/** What a relay process is told by its environment. */
import { readEnv, type Environment } from '@chappe/config/read-env';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { logVariables } from '@chappe/drivers/log-driver';
import { storeVariables } from '@chappe/drivers/store-driver';
import { peerVariables, serverTlsVariables } from '@chappe/drivers/tls-files';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';
import { fileCodeSender, webhookCodeSender, type CodeSender } from './code-sender.ts';

const schema = z
  .object({
    /** Where devices connect: `host:port`. */
    CHAPPE_RELAY_DEVICE_ADDRESS: z.string().default('127.0.0.1:7405'),
    /** Where range workers claim prekeys: `host:port`; never a public address. */
    CHAPPE_RELAY_INTERNAL_ADDRESS: z.string().default('127.0.0.1:7407'),
    /** An address, or several with commas between. */
    CHAPPE_CRYPTO_ADDRESS: z.string().default('127.0.0.1:7404'),
    /** Of the device address. */
    ...serverTlsVariables('CHAPPE_RELAY'),
    ...peerVariables,
    /** How one-time codes are sent: `file` for one machine without a provider, `webhook` else. */
    CHAPPE_RELAY_CODES: z.enum(['file', 'webhook']).default('file'),
    /** With `file`: JSON lines `{number, code, time}` are appended here; the file is made with mode 0600. */
    CHAPPE_RELAY_CODES_PATH: z.string().default('data/registration-codes.jsonl'),
    /** With `webhook`: each code is POSTed here as JSON `{number, code, time}`; 2xx within 5 s means taken over. */
    CHAPPE_RELAY_CODES_URL: z.url({ protocol: /^https?$/ }).optional(),
    /** With `webhook`: sent as `Authorization: Bearer <token>`. */
    CHAPPE_RELAY_CODES_TOKEN: z.string().optional(),
    ...logVariables,
    ...coordinationVariables,
    ...storeVariables('data/relay.sqlite'),
    ...processVariables(7495),
  })
  .refine((config) => config.CHAPPE_RELAY_CODES !== 'webhook' || config.CHAPPE_RELAY_CODES_URL !== undefined, {
    path: ['CHAPPE_RELAY_CODES_URL'],
    message: 'it is needed with CHAPPE_RELAY_CODES=webhook',
  });

export type RelayConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): RelayConfig {
  return readEnv(schema, environment);
}

export function codeSenderOf(config: RelayConfig): CodeSender {
  const { CHAPPE_RELAY_CODES_URL: url, CHAPPE_RELAY_CODES_TOKEN: token } = config;
  if (config.CHAPPE_RELAY_CODES === 'webhook' && url !== undefined) return webhookCodeSender({ url, token });
  return fileCodeSender({ path: config.CHAPPE_RELAY_CODES_PATH });
}
