/** What a coordinator process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { logVariables } from '@chappe/drivers/log-driver';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';

/** All ranges are made in one transaction of etcd, which has 128 operations. */
const initialBoundsMax = 126;

const isAscending = (text: string): boolean =>
  text.split(',').every((bound, index, all) => index === 0 || bound > (all[index - 1] ?? ''));

const schema = z.object({
  /** Where the ranges of a new cluster are cut: ascending digits. */
  CHAPPE_INITIAL_BOUNDS: z
    .string()
    .regex(/^(\d+(,\d+)*)?$/, 'ascending digits with commas between, e.g. 3,4,5')
    .refine(isAscending, 'ascending digits with commas between, e.g. 3,4,5: one is not beyond the one before')
    .refine((text) => text.split(',').length <= initialBoundsMax, `at most ${initialBoundsMax} bounds`)
    .default('3,4,5'),
  /** The store that new ranges use. */
  CHAPPE_STORE_ID: z.string().default('main'),
  /** How many event topics there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  ...logVariables,
  ...coordinationVariables,
  ...processVariables(7492),
});

export type CoordinatorConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): CoordinatorConfig {
  return readEnv(schema, environment);
}
