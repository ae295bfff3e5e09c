/** Coordination in which one rule is broken. */
import type { Coordination, Snapshot } from '@chappe/coordination/coordination';
import { replacing } from '../replacing.ts';
import type { Rule } from './rules.ts';

/** Time for a new cluster to give every range its first owner. */
const settledMs = 3_000;

export function brokenCoordination(rule: Rule, coordination: Coordination): Coordination {
  if (rule !== 'reattach_skipped') return coordination;
  const first = new Map<string, Snapshot>();
  const list: Coordination['list'] = async (prefix) => {
    const known = first.get(prefix);
    if (known !== undefined) return known;
    const snapshot = await coordination.list(prefix);
    if (prefix.startsWith('ranges') && performance.now() > settledMs) first.set(prefix, snapshot);
    return snapshot;
  };
  return replacing(coordination, { list });
}
