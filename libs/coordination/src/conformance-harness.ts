/** What the conformance suite of coordination needs of a driver, and the words its tests are written in. */
import assert from 'node:assert/strict';
import type { Coordination, CoordinationErrorKind, Lease } from './coordination.ts';
import { CoordinationError } from './coordination.ts';

/** A map for one test, with no keys but those of the test. Disposing it removes what the test left. */
export interface CoordinationHarness extends AsyncDisposable {
  readonly coordination: Coordination;
  /** Closes `coordination` and opens the same map anew; the harness disposes that one too. */
  readonly reopen: () => Promise<Coordination>;
  /** Makes a lease expire as if its holder had been cut off; resolves once its keys are gone. */
  readonly loseLease: (lease: Lease) => Promise<void>;
  /** Cuts `coordination` off from its map, so that nothing can be done with it any more. */
  readonly makeDead: () => Promise<void>;
}

/** Registers one test of the suite. */
export type Check = (name: string, work: (harness: CoordinationHarness) => Promise<void>) => void;

/** Puts a key, whatever is there; the revision of the change. */
export async function put(coordination: Coordination, key: string, value: string, lease?: Lease): Promise<number> {
  const operation =
    lease === undefined ? ({ kind: 'put', key, value } as const) : ({ kind: 'put', key, value, lease } as const);
  const { succeeded, revision } = await coordination.transact([], [operation]);
  assert.ok(succeeded);
  return revision;
}

export async function remove(coordination: Coordination, key: string): Promise<number> {
  const { succeeded, revision } = await coordination.transact([], [{ kind: 'delete', key }]);
  assert.ok(succeeded);
  return revision;
}

export async function valueOf(coordination: Coordination, key: string): Promise<string | undefined> {
  return (await coordination.get(key))?.value;
}

export async function rejectsAs(kind: CoordinationErrorKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof CoordinationError, `not a CoordinationError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}
