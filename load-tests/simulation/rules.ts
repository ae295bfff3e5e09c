/** The rules that can be broken in a simulation: those of the fault runs that have their place here. */
import { brokenCoordination } from '../faults/break/broken-coordination.ts';
import { brokenLog } from '../faults/break/broken-log.ts';
import { brokenStore } from '../faults/break/broken-store.ts';
import { NewestStates } from '../faults/break/newest-states.ts';
import type { Rule } from '../faults/break/rules.ts';
import type { Broken, Role } from './site.ts';
import type { Life } from './virtual-time.ts';

export interface Control {
  readonly rule: Rule;
  /** Whose drivers are broken. */
  readonly roles: readonly Role[];
  /** What must be found. */
  readonly expects: RegExp;
}

export const controls: readonly Control[] = [
  { rule: 'fence_out', roles: ['shard'], expects: /^FENCE/ },
  { rule: 'offset_before_effects', roles: ['shard'], expects: /^NO-LOSS/ },
  { rule: 'undone_passed', roles: ['shard'], expects: /^(NO-LOSS|FENCE|ONCE)/ },
  { rule: 'done_forgotten', roles: ['shard'], expects: /^ONCE: record/ },
  { rule: 'repeats_let_through', roles: ['gateway', 'shard'], expects: /^ONCE: \S+ was shown twice/ },
  { rule: 'answer_before_append', roles: ['gateway'], expects: /^NO-LOSS/ },
  { rule: 'overtaking', roles: ['gateway'], expects: /^ORDER/ },
  { rule: 'events_lost', roles: ['shard'], expects: /^(NO-LOSS|MONOTONE)/ },
  { rule: 'events_shuffled', roles: ['shard'], expects: /^(NO-LOSS|MONOTONE)/ },
  { rule: 'outbox_from_state', roles: ['shard'], expects: /^(NO-LOSS|MONOTONE)/ },
  { rule: 'session_restored', roles: ['shard'], expects: /^SECRET/ },
  { rule: 'gap_unseen', roles: ['shard'], expects: /^NO-LOSS/ },
  { rule: 'seal_skipped', roles: ['coordinator'], expects: /^(ORDER|NO-LOSS)/ },
  { rule: 'end_unsettled', roles: ['coordinator'], expects: /^(ORDER|NO-LOSS|ALARM: .*beyond the seal)/ },
  { rule: 'reattach_skipped', roles: ['relay'], expects: /^NO-LOSS/ },
];

/** A shard commits some fifty times in a run. */
const commitsBeforeDeath = 12;

/** @throws Error */
export function controlOf(rule: string): Control {
  const control = controls.find((one) => one.rule === rule);
  if (control === undefined)
    throw new Error(`there is no control ${rule}: ${controls.map((one) => one.rule).join(', ')}`);
  return control;
}

/** For one run. */
export function brokenBy({ rule, roles }: Control): Broken {
  const newest = new WeakMap<Life, NewestStates>();
  const newestOf = (life: Life): NewestStates => {
    const known = newest.get(life) ?? new NewestStates();
    newest.set(life, known);
    return known;
  };
  return {
    rule,
    log: (log, role, life) => (roles.includes(role) ? brokenLog(rule, log, newestOf(life)) : log),
    store: (store, role, life) => {
      if (!roles.includes(role)) return store;
      return brokenStore(store, { rule, newest: newestOf(life), commitsBeforeDeath, die: () => life.end() });
    },
    coordination: (coordination, role) =>
      roles.includes(role) ? brokenCoordination(rule, coordination) : coordination,
  };
}
