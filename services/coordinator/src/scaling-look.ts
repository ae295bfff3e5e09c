/**
 * The leader's look at the load: how many senders there should be, said as a metric, and, where it is allowed to, made
 * so. What it remembers are measurements; what it has begun rests in coordination and in Kubernetes alone.
 */
import type { Coordination, KeyValue } from '@chappe/coordination/coordination';
import type { Log } from '@chappe/log/log';
import { drainChange, drainPrefix, parseDrain, type Drain } from '@chappe/ranges/drain';
import { parseRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { parseShardInfo, shardPrefix, type ShardInfo } from '@chappe/ranges/shard-info';
import { calledOffKey, formatCalledOff, parseCalledOff } from './called-off.ts';
import type { Kubernetes, Replicas } from './kubernetes.ts';
import type { Leadership } from './leadership.ts';
import { calledOffMs, endsAtATime, loadLookMs, scaleStepMs } from './limits.ts';
import { loadOf, noteEnds, type Ends } from './load.ts';
import type { PlacementEvents } from './placement-events.ts';
import { nextScaleStep, type ScaleStep } from './scale-steps.ts';
import { decideScaling, type ScalingSettings, type ScalingState } from './scaling.ts';

export interface ScalingDependencies {
  readonly coordination: Coordination;
  readonly log: Log;
  readonly events: PlacementEvents;
  readonly settings: ScalingSettings;
  /** Whether the number of replicas is changed. */
  readonly isApplied: boolean;
  /** How long a shard may take to get rid of its ranges. */
  readonly drainMsMax: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A monotonic clock in ms. */
  readonly monotonicMs: () => number;
}

interface Look {
  readonly ranges: readonly Range[];
  readonly shards: ReadonlyMap<string, ShardInfo>;
  readonly drainEntries: ReadonlyMap<string, KeyValue>;
}

export class ScalingLook {
  readonly #dependencies: ScalingDependencies;
  readonly #leadership: Leadership;
  #ends: Ends = new Map();
  #state: ScalingState | undefined;
  #measuredAtMs = -Infinity;
  #desired = 0;

  constructor(dependencies: ScalingDependencies, leadership: Leadership) {
    this.#dependencies = dependencies;
    this.#leadership = leadership;
  }

  /**
   * @param kubernetes absent: the shards that are alive are counted, and nothing is changed
   * @returns after how many ms the next look is due
   */
  async look(kubernetes: Kubernetes | undefined): Promise<number> {
    const { coordination, isApplied, monotonicMs } = this.#dependencies;
    const replicas = await kubernetes?.replicas();
    const look = await readLook(coordination);
    const isMeasured = monotonicMs() - this.#measuredAtMs >= loadLookMs;
    if (isMeasured) await this.#measure(look, replicas?.count ?? look.shards.size, kubernetes?.statefulSet);
    if (kubernetes === undefined || replicas === undefined || !isApplied) return loadLookMs;
    return this.#step(kubernetes, look, replicas);
  }

  async #measure({ ranges, shards, drainEntries }: Look, replicas: number, statefulSet = ''): Promise<void> {
    const { log, events, settings, monotonicMs } = this.#dependencies;
    const topics = new Set(ranges.filter(({ state }) => state !== 'sealed').map(({ topic }) => topic));
    const ends = await endsOf(log, [...topics]);
    const atMs = monotonicMs();
    this.#measuredAtMs = atMs;
    this.#ends = noteEnds(this.#ends, topics, ends, atMs);
    const load = loadOf(this.#ends, ranges, [...shards.values()], atMs);
    const areAllAlive = shards.size >= replicas;
    const last = drainEntries.get(`${statefulSet}-${replicas - 1}`);
    const aimedAt = last === undefined || parseDrain(last.value).scaling === undefined ? replicas : replicas - 1;
    const seen = { atMs, replicas, aimedAt, areAllAlive, load };
    const { desired, reason, state } = decideScaling(this.#state, seen, settings);
    this.#state = state;
    this.#desired = desired;
    events.decided(desired, replicas, reason, load);
  }

  async #step(kubernetes: Kubernetes, look: Look, replicas: Replicas): Promise<number> {
    const { coordination, events, now, drainMsMax } = this.#dependencies;
    const pods = kubernetes.pods();
    if (pods === undefined) return scaleStepMs;
    const calledOff = await coordination.get(calledOffKey);
    const step = nextScaleStep({
      name: kubernetes.statefulSet,
      replicas: replicas.count,
      desired: this.#desired,
      shards: look.shards,
      ranges: look.ranges,
      drains: new Map([...look.drainEntries].map(([id, { value }]): [string, Drain] => [id, parseDrain(value)])),
      pods: new Set(pods.keys()),
      nowMs: now(),
      drainMsMax,
      calledOffUntilMs: calledOff === undefined ? 0 : parseCalledOff(calledOff.value),
    });
    events.leavingFor(step.kind === 'wait' ? (now() - step.sinceMs) / 1000 : 0);
    if (step.kind === 'rest') return loadLookMs;
    await this.#take(step, kubernetes, look, replicas);
    return scaleStepMs;
  }

  async #take(step: ScaleStep, kubernetes: Kubernetes, { drainEntries }: Look, replicas: Replicas): Promise<void> {
    const { coordination, events, now } = this.#dependencies;
    if (step.kind === 'rest' || step.kind === 'wait') return;
    if (step.kind === 'setReplicas') {
      // Kubernetes knows nothing of leadership: it is asked for right before.
      const { succeeded } = await coordination.transact([this.#leadership.compare], []);
      if (succeeded && (await kubernetes.setReplicas(step.replicas, replicas)))
        events.replicasSet(step.replicas, replicas.count);
      return;
    }
    const { kind, shard } = step;
    const change = drainChange(shard, drainEntries.get(shard), 'scaling', kind === 'drain' ? now() : undefined);
    const note = formatCalledOff(now() + calledOffMs, shard);
    const { succeeded } = await coordination.transact(
      [this.#leadership.compare, change.compare],
      [...change.operations, ...(kind === 'callOff' ? [{ kind: 'put', key: calledOffKey, value: note } as const] : [])],
    );
    if (!succeeded) return;
    if (kind === 'drain') events.drainBegun(shard, 'scaling', 'there are to be fewer senders');
    else if (kind === 'takeBack') events.drainTakenBack(shard, 'scaling', 'it is not to go, or it has gone');
    else events.calledOff(shard, step.ranges);
  }
}

async function readLook(coordination: Coordination): Promise<Look> {
  const [ranges, shards, drains] = [
    await coordination.list(rangePrefix),
    await coordination.list(shardPrefix),
    await coordination.list(drainPrefix),
  ];
  return {
    ranges: ranges.entries.map(({ value }) => parseRange(value)),
    shards: new Map(
      shards.entries.map(({ value }) => {
        const shard = parseShardInfo(value);
        return [shard.id, shard];
      }),
    ),
    drainEntries: new Map(drains.entries.map((entry) => [entry.key.slice(drainPrefix.length), entry])),
  };
}

/** Of topics whose log answers. */
async function endsOf(log: Log, topics: readonly string[]): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  for (let from = 0; from < topics.length; from += endsAtATime) {
    const some = topics.slice(from, from + endsAtATime);
    const answers = await Promise.allSettled(some.map((topic) => log.end(topic)));
    for (const [index, answer] of answers.entries())
      if (answer.status === 'fulfilled') ends.set(some[index] ?? '', answer.value);
  }
  return ends;
}
