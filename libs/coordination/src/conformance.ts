/** The conformance suite of coordination: what `coordination.ts` promises, as tests, for every driver. */
import { describe, test } from 'node:test';
import type { Check, CoordinationHarness } from './conformance-harness.ts';
import { checkLeases } from './conformance-lease.ts';
import { checkMap } from './conformance-map.ts';
import { checkWatches } from './conformance-watch.ts';

export function coordinationConformance(name: string, open: () => Promise<CoordinationHarness>): void {
  const check: Check = (sentence, work) => {
    void test(sentence, async () => {
      await using harness = await open();
      await work(harness);
    });
  };
  void describe(`coordination: ${name}`, () => {
    checkMap(check);
    checkLeases(check);
    checkWatches(check);
  });
}
