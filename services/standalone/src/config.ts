/** What the standalone node is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { z } from 'zod';

const port = (fallback: number): z.ZodType<number> => z.coerce.number().int().min(0).max(65_535).default(fallback);

const schema = z.object({
  /** The folder that holds everything; made if it is not there. One node a folder. */
  CHAPPE_DATA: z.string().min(1).default('data'),
  /** Where enterprises connect (gRPC): `host:port`. */
  CHAPPE_GATEWAY_ADDRESS: z.string().default('127.0.0.1:7410'),
  /** Where devices connect (gRPC): `host:port`. */
  CHAPPE_DEVICE_ADDRESS: z.string().default('127.0.0.1:7420'),
  /** Metrics and health (HTTP). */
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: port(7430),
  /** Where the ranges of a new data folder are cut: ascending digits. */
  CHAPPE_INITIAL_BOUNDS: z
    .string()
    .regex(/^(\d+(,\d+)*)?$/, 'ascending digits with commas between, e.g. 3,4,5')
    .default('3,4,5'),
  /** Shards in this process. */
  CHAPPE_SHARDS: wholeNumber(2),
  /** Messages a second that one business may hand over; twice as many at once. */
  CHAPPE_RATE_PER_SECOND: wholeNumber(5_000),
  /** Where one-time codes are POSTed as JSON `{number, code, time}`, for an SMS provider; absent: a file in the folder. */
  CHAPPE_CODES_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Sent there as `Authorization: Bearer <token>`. */
  CHAPPE_CODES_TOKEN: z.string().optional(),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type StandaloneConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): StandaloneConfig {
  return readEnv(schema, environment);
}
