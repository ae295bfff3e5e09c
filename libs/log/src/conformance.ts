/**
 * The conformance suite of the log: what `log.ts` promises, as tests, for every driver.
 *
 * Topics have random names, so that drivers on a shared server can run it side by side.
 */
import { describe, test } from 'node:test';
import { checkAppends } from './conformance-append.ts';
import type { Check, LogHarness } from './conformance-harness.ts';
import { checkLifetimes } from './conformance-lifetime.ts';
import { checkReads } from './conformance-read.ts';
import { checkSeals } from './conformance-seal.ts';

/** @param options.skip why the suite cannot run, e.g. because its server is not there. */
export function logConformance(
  name: string,
  open: () => Promise<LogHarness>,
  options: { readonly skip?: string | false } = {},
): void {
  const check: Check = (sentence, work) => {
    void test(sentence, async () => {
      await using harness = await open();
      await work(harness);
    });
  };
  void describe(`the log: ${name}`, { skip: options.skip ?? false }, () => {
    checkAppends(check);
    checkReads(check);
    checkSeals(check);
    checkLifetimes(check);
  });
}
