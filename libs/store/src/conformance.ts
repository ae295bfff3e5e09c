/** The conformance suite of the store: what `store.ts` promises, as tests, for every driver. */
import { describe, test } from 'node:test';
import type { Check, StoreHarness } from './conformance-harness.ts';
import { checkTransactions } from './conformance-transaction.ts';
import { checkValues } from './conformance-value.ts';

export function storeConformance(name: string, open: () => Promise<StoreHarness>): void {
  const check: Check = (sentence, work) => {
    void test(sentence, async () => {
      await using harness = await open();
      await work(harness);
    });
  };
  void describe(`the store: ${name}`, () => {
    checkTransactions(check);
    checkValues(check);
  });
}
