/** Conformance of coordination: watches, which say that something changed and not what. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import { put, remove, valueOf } from './conformance-harness.ts';
import type { Coordination } from './coordination.ts';

export function checkWatches(check: Check): void {
  check('a watch is called after the last of many changes', async ({ coordination }) => {
    await using seen = watchValue(coordination, 'ranges/', 'ranges/a');
    for (let value = 0; value < 20; value += 1) await put(coordination, 'ranges/a', String(value));
    await seen.until('19');
    await Promise.all(Array.from({ length: 5 }, (_, index) => put(coordination, 'ranges/a', `at once ${index}`)));
    await seen.until(await valueOf(coordination, 'ranges/a'));
  });

  check('a watch is called for a deletion and for keys that go with a lease', async ({ coordination, loseLease }) => {
    await put(coordination, 'shards/a', '1');
    await using seen = watchValue(coordination, 'shards/', 'shards/a');
    await remove(coordination, 'shards/a');
    await seen.until(undefined);

    const [revoked, lost] = [await coordination.grantLease(1_000), await coordination.grantLease(1_000)];
    await put(coordination, 'shards/a', '2', revoked);
    await seen.until('2');
    await revoked[Symbol.asyncDispose]();
    await seen.until(undefined);
    await put(coordination, 'shards/a', '3', lost);
    await seen.until('3');
    await loseLease(lost);
    await seen.until(undefined);
  });

  check('a watch is never called while the change is being made', async ({ coordination }) => {
    let called = false;
    const watch = coordination.watch('a', () => {
      called = true;
    });
    const changing = put(coordination, 'a', '1');
    assert.equal(called, false);
    await changing;
    watch[Symbol.dispose]();
  });

  check('a watch is not called for other prefixes, nor after its disposal', async ({ coordination }) => {
    let otherCalls = 0;
    let disposedCalls = 0;
    const other = coordination.watch('shards/', () => {
      otherCalls += 1;
    });
    const disposed = coordination.watch('ranges/', () => {
      disposedCalls += 1;
    });
    disposed[Symbol.dispose]();
    await using seen = watchValue(coordination, 'ranges/', 'ranges/a');
    await put(coordination, 'ranges/a', '1');
    await seen.until('1');
    assert.deepEqual([otherCalls, disposedCalls], [0, 0]);
    other[Symbol.dispose]();
  });

  check('a watcher may change the map itself', async ({ coordination }) => {
    await using seen = watchValue(coordination, 'echo', 'echo');
    let echoed: Promise<number> | undefined;
    const watch = coordination.watch('call', () => {
      echoed ??= put(coordination, 'echo', 'heard');
    });
    await put(coordination, 'call', '1');
    await seen.until('heard');
    await echoed;
    watch[Symbol.dispose]();
  });
}

/** Reads a key whenever the watch calls, and only then. */
function watchValue(
  coordination: Coordination,
  prefix: string,
  key: string,
): { until: (value: string | undefined) => Promise<void> } & AsyncDisposable {
  let changed = Promise.withResolvers<void>();
  const watch = coordination.watch(prefix, () => changed.resolve());
  return {
    /** Resolves once a call of the watch, or one before, left the value in place. */
    async until(value) {
      for (;;) {
        await changed.promise;
        changed = Promise.withResolvers<void>();
        if ((await valueOf(coordination, key)) === value) return;
      }
    },
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
    },
  };
}
