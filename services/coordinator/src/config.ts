/** What a coordinator process is told by its environment. */
import { readEnv, wholeNumber, type Environment } from '@chappe/config/read-env';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { logVariables } from '@chappe/drivers/log-driver';
import { rangeStoreVariables, storeVariables } from '@chappe/drivers/store-driver';
import { processVariables } from '@chappe/service-process/process-variables';
import { z } from 'zod';
import { drainSeconds, quietSeconds } from './limits.ts';
import type { PlacementOptions } from './placement.ts';

/** All ranges are made in one transaction of etcd, which has 128 operations: two more are of the generation and the store. */
const initialBoundsMax = 125;

const isAscending = (text: string): boolean =>
  text.split(',').every((bound, index, all) => index === 0 || bound > (all[index - 1] ?? ''));

const secondsOf = ({
  least,
  usual,
  most,
}: typeof quietSeconds | typeof drainSeconds): z.ZodDefault<z.ZodCoercedNumber> =>
  z.coerce.number().int().min(least, `from ${least} to ${most}`).max(most, `from ${least} to ${most}`).default(usual);

const schema = z.object({
  /** Where the ranges of a new cluster are cut: ascending digits. */
  CHAPPE_INITIAL_BOUNDS: z
    .string()
    .regex(/^(\d+(,\d+)*)?$/, 'ascending digits with commas between, e.g. 3,4,5')
    .refine(isAscending, 'ascending digits with commas between, e.g. 3,4,5: one is not beyond the one before')
    .refine((text) => text.split(',').length <= initialBoundsMax, `at most ${initialBoundsMax} bounds`)
    .default('3,4,5'),
  /** What the store of the first ranges, CHAPPE_STORE, is called. */
  CHAPPE_STORE_ID: z.string().default('main'),
  /** `true`: ranges that are hot are split and cold ones merged; `false`: only operators do that. */
  CHAPPE_RESHAPE_BY_LOAD: z.enum(['true', 'false']).default('true'),
  /** Between so many senders the load decides; CHAPPE_SENDERS_MOST absent: nothing is said of their number. */
  CHAPPE_SENDERS_LEAST: wholeNumber(1),
  CHAPPE_SENDERS_MOST: z.coerce.number().int().positive().optional(),
  /** The percentage of its capacity that a sender is to work at. */
  CHAPPE_SENDERS_AIM: z.coerce.number().int().min(10, 'from 10 to 95').max(95, 'from 10 to 95').default(70),
  /** There are so many that the load is carried when one of so many zones is lost; 1: no such care. */
  CHAPPE_SENDERS_ZONES: wholeNumber(1),
  /** There is one less once fewer would have done for so many seconds. */
  CHAPPE_SENDERS_QUIET_SECONDS: secondsOf(quietSeconds),
  /** One that is to go and still has ranges after so many seconds stays. */
  CHAPPE_SENDERS_DRAIN_SECONDS: secondsOf(drainSeconds),
  /** `true`: the StatefulSet is scaled. */
  CHAPPE_SENDERS_APPLY: z.enum(['true', 'false']).default('false'),
  /** The senders' StatefulSet. Absent: not on Kubernetes. */
  CHAPPE_KUBERNETES_STATEFUL_SET: z.string().min(1).optional(),
  CHAPPE_KUBERNETES_NAMESPACE: z.string().default('default'),
  /** What the senders' pods have: `label=value,...`. */
  CHAPPE_KUBERNETES_POD_LABELS: z.string().optional(),
  /** What a zone is called on nodes. */
  CHAPPE_KUBERNETES_ZONE_LABEL: z.string().default('topology.kubernetes.io/zone'),
  /** A file as kubectl has it. Absent: the pod's service account. */
  CHAPPE_KUBERNETES_CONFIG: z.string().optional(),
  /** How many event topics there are; the same everywhere and for ever. */
  CHAPPE_EVENT_BUCKETS: wholeNumber(4),
  ...logVariables,
  ...coordinationVariables,
  ...storeVariables('data/sender.sqlite'),
  ...rangeStoreVariables,
  ...processVariables(7492),
});

export type CoordinatorConfig = Readonly<z.output<typeof schema>>;

/** @throws ConfigError with every problem */
export function readConfig(environment: Environment): CoordinatorConfig {
  return readEnv(schema.superRefine(whatGoesTogether), environment);
}

function whatGoesTogether(config: CoordinatorConfig, context: z.RefinementCtx): void {
  const refuse = (name: keyof CoordinatorConfig, message: string): void =>
    context.addIssue({ code: 'custom', path: [name], message });
  const { CHAPPE_SENDERS_MOST: most, CHAPPE_SENDERS_APPLY: apply } = config;
  if (most !== undefined && most < config.CHAPPE_SENDERS_LEAST)
    refuse('CHAPPE_SENDERS_MOST', 'it is below CHAPPE_SENDERS_LEAST');
  if (apply === 'true' && most === undefined)
    refuse('CHAPPE_SENDERS_MOST', 'give it as well: CHAPPE_SENDERS_APPLY=true needs to know how many are too many');
  if (apply === 'true' && config.CHAPPE_KUBERNETES_STATEFUL_SET === undefined)
    refuse('CHAPPE_KUBERNETES_STATEFUL_SET', 'give it as well: CHAPPE_SENDERS_APPLY=true scales it');
  if (config.CHAPPE_KUBERNETES_STATEFUL_SET !== undefined && config.CHAPPE_KUBERNETES_POD_LABELS === undefined)
    refuse('CHAPPE_KUBERNETES_POD_LABELS', 'give it as well, e.g. app.kubernetes.io/component=sender');
}

/** What `openPlacement` takes of it. */
export function placementOf(config: CoordinatorConfig): Pick<PlacementOptions, 'scaling' | 'kubernetes'> {
  const { CHAPPE_SENDERS_MOST: most, CHAPPE_KUBERNETES_STATEFUL_SET: statefulSet } = config;
  const { CHAPPE_KUBERNETES_CONFIG: configFile } = config;
  const scaling = most !== undefined && {
    least: config.CHAPPE_SENDERS_LEAST,
    most,
    aim: config.CHAPPE_SENDERS_AIM / 100,
    zones: config.CHAPPE_SENDERS_ZONES,
    quietMs: config.CHAPPE_SENDERS_QUIET_SECONDS * 1000,
    drainMsMax: config.CHAPPE_SENDERS_DRAIN_SECONDS * 1000,
    isApplied: config.CHAPPE_SENDERS_APPLY === 'true',
  };
  const kubernetes = statefulSet !== undefined && {
    statefulSet,
    namespace: config.CHAPPE_KUBERNETES_NAMESPACE,
    podLabels: config.CHAPPE_KUBERNETES_POD_LABELS ?? '',
    zoneLabel: config.CHAPPE_KUBERNETES_ZONE_LABEL,
    ...(configFile === undefined ? {} : { configFile }),
  };
  return { ...(scaling === false ? {} : { scaling }), ...(kubernetes === false ? {} : { kubernetes }) };
}
