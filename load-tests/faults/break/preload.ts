/** The environment of a process in which a rule is broken. */
import type { Rule } from './rules.ts';

const preload = new URL('break-rule.ts', import.meta.url).href;

export function preloadOf(rule: Rule): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=${preload}`, CHAPPE_TEST_FAULTS: '1', CHAPPE_TEST_BREAK: rule };
}
