import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Drain } from '@chappe/ranges/drain';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { nextScaleStep, type Scale, type ScaleStep } from '../src/scale-steps.ts';

const drainMsMax = 300_000;

function scale(
  replicas: number,
  desired: number,
  more: Partial<Scale> & { readonly held?: Record<string, number> } = {},
): Scale {
  const ids = Array.from({ length: replicas }, (_, ordinal) => `sender-${ordinal}`);
  const held = more.held ?? {};
  const shards = ids.map((id): [string, ShardInfo] => [
    id,
    {
      id,
      instance: 'i',
      address: '',
      zone: 'a',
      capacity: 1,
      ranges: held[id] ?? 0,
      rate: 0,
      attachedDevices: 0,
      load: {},
    },
  ]);
  const ranges = Object.entries(held).flatMap(([owner, count]) =>
    Array.from({ length: count }, (_, index): Range => {
      const id = `${owner}.${index}`;
      return {
        id,
        start: '',
        end: ':',
        state: 'active',
        owner,
        ownerInstance: 'i',
        epoch: 1,
        topic: id,
        store: 'main',
      };
    }),
  );
  const common = {
    name: 'sender',
    drains: new Map<string, Drain>(),
    pods: new Set(ids),
    nowMs: 1_000,
    drainMsMax,
    calledOffUntilMs: 0,
  };
  return { ...common, replicas, desired, shards: new Map(shards), ranges, ...more };
}

test('the sender with the highest ordinal is drained, waited for, and only then removed', () => {
  const held = { 'sender-3': 2, 'sender-2': 1 };
  assert.deepEqual(nextScaleStep(scale(4, 3, { held })), { kind: 'drain', shard: 'sender-3' });
  const drains = new Map([['sender-3', { scaling: 500 }]]);
  assert.deepEqual(nextScaleStep(scale(4, 3, { held, drains })), {
    kind: 'wait',
    shard: 'sender-3',
    ranges: 2,
    sinceMs: 500,
  });
  assert.deepEqual(nextScaleStep(scale(4, 3, { held: { 'sender-2': 1 }, drains })), {
    kind: 'setReplicas',
    replicas: 3,
  });
});

test('a scale-up takes a drain back before there are more', () => {
  const drains = new Map([['sender-3', { scaling: 500 }]]);
  assert.deepEqual(nextScaleStep(scale(4, 4, { drains })), { kind: 'takeBack', shard: 'sender-3' });
  assert.deepEqual(nextScaleStep(scale(4, 6, { drains })), { kind: 'takeBack', shard: 'sender-3' });
  assert.deepEqual(nextScaleStep(scale(4, 6)), { kind: 'setReplicas', replicas: 6 });
});

test('what an operator or a node wants is never taken back', () => {
  const drains = new Map<string, Drain>([
    ['sender-0', { operator: 1 }],
    ['sender-1', { node: 1 }],
  ]);
  assert.deepEqual(nextScaleStep(scale(4, 4, { drains })), { kind: 'rest' });
});

test('a sender that does not get rid of its ranges stays, and is let be for a while', () => {
  const held = { 'sender-3': 1 };
  const drains = new Map([['sender-3', { scaling: 0 }]]);
  const nowMs = drainMsMax + 1;
  assert.deepEqual(nextScaleStep(scale(4, 3, { held, drains, nowMs })), {
    kind: 'callOff',
    shard: 'sender-3',
    ranges: 1,
  });
  assert.deepEqual(nextScaleStep(scale(4, 3, { held, nowMs, calledOffUntilMs: nowMs + 1 })), { kind: 'rest' });
});

test('nobody is sent away while another one is missing, or all others are to be empty', () => {
  const shards = new Map([...scale(4, 3).shards].filter(([id]) => id !== 'sender-1'));
  assert.deepEqual(nextScaleStep(scale(4, 3, { shards })), { kind: 'rest' });
  const drains = new Map<string, Drain>([0, 1, 2].map((ordinal) => [`sender-${ordinal}`, { node: 1 }]));
  assert.deepEqual(nextScaleStep(scale(4, 3, { drains })), { kind: 'rest' });
});

test('the drain of a sender that has gone is forgotten, and not before it has gone', () => {
  const drains = new Map([['sender-4', { scaling: 0 }]]);
  assert.deepEqual(nextScaleStep(scale(4, 4, { drains })), { kind: 'takeBack', shard: 'sender-4' });
  const pods = new Set(['sender-0', 'sender-1', 'sender-2', 'sender-3', 'sender-4']);
  assert.deepEqual(nextScaleStep(scale(4, 4, { drains, pods })), { kind: 'rest' });
});

/**
 * Any order of wishes, steps, lost steps and moves of ranges: no step remembers another one, so a step that is not done
 * is a coordinator that died before it.
 */
test('whoever leads, and wherever one dies: no sender goes with ranges, and in the end there are as many as wanted', () => {
  const act = fc.oneof(
    fc.record({ kind: fc.constant('wish' as const), desired: fc.integer({ min: 1, max: 6 }) }),
    fc.constant({ kind: 'step' as const }),
    fc.constant({ kind: 'lost step' as const }),
    fc.constant({ kind: 'move' as const }),
    fc.constant({ kind: 'end pods' as const }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      const model = new Model();
      for (const each of acts) model.act(each);
      for (let rest = 0; rest < 200; rest += 1)
        for (const kind of ['step', 'move', 'end pods'] as const) model.act({ kind });
      assert.equal(model.replicas, model.desired);
      assert.deepEqual([...model.drains.keys()], []);
      assert.equal(model.heldBy.size, 8, 'every range has an owner');
    }),
  );
});

class Model {
  replicas = 3;
  desired = 3;
  readonly drains = new Map<string, Drain>();
  readonly heldBy = new Map(Array.from({ length: 8 }, (_, index) => [index, `sender-${index % 3}`]));
  readonly #alive = new Set(['sender-0', 'sender-1', 'sender-2']);

  act(
    act:
      | { readonly kind: 'wish'; readonly desired: number }
      | { readonly kind: 'step' | 'lost step' | 'move' | 'end pods' },
  ): void {
    if (act.kind === 'wish') this.desired = act.desired;
    if (act.kind === 'step') this.#take(this.#next());
    if (act.kind === 'lost step') this.#next();
    if (act.kind === 'move') this.#move();
    if (act.kind === 'end pods')
      for (const id of this.#alive) if (Number(id.slice(7)) >= this.replicas) this.#alive.delete(id);
  }

  #next(): ScaleStep {
    const held: Record<string, number> = {};
    for (const owner of this.heldBy.values()) held[owner] = (held[owner] ?? 0) + 1;
    const all = scale(8, 8, { held });
    const shards = new Map([...all.shards].filter(([id]) => this.#alive.has(id)));
    return nextScaleStep({
      ...all,
      replicas: this.replicas,
      desired: this.desired,
      shards,
      pods: this.#alive,
      drains: this.drains,
    });
  }

  #take(step: ScaleStep): void {
    if (step.kind === 'drain') this.drains.set(step.shard, { scaling: 0 });
    if (step.kind === 'takeBack') this.drains.delete(step.shard);
    if (step.kind !== 'setReplicas') return;
    assert.ok(step.replicas >= this.replicas - 1);
    for (let gone = step.replicas; gone < this.replicas; gone += 1)
      assert.ok(![...this.heldBy.values()].includes(`sender-${gone}`), 'it went with ranges');
    for (let come = this.replicas; come < step.replicas; come += 1) this.#alive.add(`sender-${come}`);
    this.replicas = step.replicas;
  }

  /** One range of a drained shard goes to one that is not. */
  #move(): void {
    const taker = [...this.#alive].find((id) => !this.drains.has(id) && Number(id.slice(7)) < this.replicas);
    const [range] = [...this.heldBy].find(([, owner]) => this.drains.has(owner)) ?? [];
    if (range !== undefined && taker !== undefined) this.heldBy.set(range, taker);
  }
}
