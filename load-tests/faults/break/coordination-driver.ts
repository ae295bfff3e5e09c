/** Coordination, as the rule has it. */
import type { Coordination } from '@chappe/coordination/coordination';
import * as original from '@chappe/drivers/coordination-driver';
import { brokenCoordination } from './broken-coordination.ts';
import { ruleOf } from './rules.ts';

const rule = ruleOf(import.meta.url);

export const { clusterNameOf, coordinationVariables } = original;

export async function openCoordination(
  ...options: Parameters<typeof original.openCoordination>
): Promise<Coordination> {
  return brokenCoordination(rule, await original.openCoordination(...options));
}
