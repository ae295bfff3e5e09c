/** Coordination, as the rule has it. */
import type { Coordination, Snapshot } from '@chappe/coordination/coordination';
import * as original from '@chappe/drivers/coordination-driver';
import { replacing } from '../replacing.ts';
import { ruleOf } from './rules.ts';

const rule = ruleOf(import.meta.url);

/** Time for a new cluster to give every range its first owner. */
const settledMs = 3_000;

export const { coordinationVariables } = original;

export async function openCoordination(
  ...options: Parameters<typeof original.openCoordination>
): Promise<Coordination> {
  const coordination = await original.openCoordination(...options);
  if (rule !== 'reattach_skipped') return coordination;
  const first = new Map<string, Snapshot>();
  const list: Coordination['list'] = async (prefix) => {
    const known = first.get(prefix);
    if (known !== undefined) return known;
    const snapshot = await coordination.list(prefix);
    if (prefix.startsWith('ranges') && performance.now() > settledMs) first.set(prefix, snapshot);
    return snapshot;
  };
  return replacing(coordination, 'list', list);
}
