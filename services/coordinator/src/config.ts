/** What a coordinator process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { z } from 'zod';

const schema = z.object({
  /** Where the ranges of a new cluster are cut: ascending digits. */
  CHAPPE_INITIAL_BOUNDS: z
    .string()
    .regex(/^(\d+(,\d+)*)?$/, 'ascending digits with commas between, e.g. 3,4,5')
    .default('3,4,5'),
  /** The store that new ranges use. */
  CHAPPE_STORE_ID: z.string().default('main'),
  /** The SQLite files of the log and of coordination. */
  CHAPPE_LOG_PATH: z.string().default('data/log.sqlite'),
  CHAPPE_COORDINATION_PATH: z.string().default('data/coordination.sqlite'),
  /** How many event topics there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: wholeNumber(7492),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

export type CoordinatorConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): CoordinatorConfig {
  return readEnv(schema, environment);
}
