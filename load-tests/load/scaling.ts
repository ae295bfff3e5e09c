/**
 * `make load SCENARIO=scaling MODE=cluster SENDERS=8 RANGES=16`: shards that are held to a small share of a processor each, so
 * that it is they who limit the rate, and ever more of them. Everything else has what is left of the machine.
 */
import { limitCpu } from '../faults/cpu-quota.ts';
import type { ClusterTarget } from './cluster-target.ts';
import { play, warmUp, type Scene } from './scenarios.ts';
import { efficiencyOf, fitScaling, type ScalingFit, type ScalingPoint } from './scaling-law.ts';
import { untilSpreadOver } from './takeover.ts';

export interface ScalingCurve {
  /** Of one processor, for each shard. */
  readonly share: number;
  readonly points: readonly ScalingPoint[];
  readonly fit: ScalingFit | undefined;
}

/** What is asked of so many shards. */
const limits: Readonly<Record<number, number>> = { 8: 0.9, 16: 0.8 };
const steps = [1, 2, 4, 8, 16];
/** Of the first step: some seconds. */
const firstMessages = 1_000;

export async function measureScaling(scene: Scene, target: ClusterTarget): Promise<void> {
  const { options, figure } = scene;
  const senders = target.services.filter((name) => name.startsWith('sender-'));
  await warmUp(scene);
  const points: ScalingPoint[] = [];
  for (const shards of steps.filter((count) => count <= senders.length)) {
    await runOnly(scene, target, senders, shards);
    const last = points.at(-1);
    const count =
      last === undefined ? firstMessages : Math.round(last.perSecond * (shards / last.shards) * options.seconds);
    points.push({ shards, perSecond: await rateOf(scene, target, senders.slice(0, shards), count) });
  }
  const [alone] = points;
  if (alone === undefined) return;
  for (const point of points) {
    const { shards, perSecond } = point;
    const name = `${shards} ${shards === 1 ? 'shard' : 'shards'}`;
    figure({ name: `${name}, messages a second`, unit: '/s', better: 'higher' }, perSecond);
    const limit = limits[shards] === undefined ? {} : { limit: limits[shards] };
    figure({ name: `${name}, T(N) / (N T(1))`, unit: '', better: 'higher', ...limit }, efficiencyOf(point, alone));
  }
  const fit = fitScaling(points);
  if (fit !== undefined) {
    figure({ name: 'contention', unit: '', better: 'lower' }, fit.contention);
    figure({ name: 'coherence', unit: '', better: 'lower' }, fit.coherence);
  }
  scene.scaled({ share: options.share, points, fit });
}

/** The first of the senders run, the others do not, and each has its part of the ranges. */
async function runOnly(scene: Scene, target: ClusterTarget, senders: readonly string[], count: number): Promise<void> {
  const running = new Set((await target.processes()).map(({ name }) => name));
  const surplus = senders.slice(count).filter((name) => running.has(name));
  await Promise.all(surplus.map((name) => target.stop(name, 'SIGTERM')));
  await Promise.all(
    senders
      .slice(0, count)
      .filter((name) => !running.has(name))
      .map((name) => target.start(name)),
  );
  await untilSpreadOver(scene, count);
}

async function rateOf(scene: Scene, target: ClusterTarget, names: readonly string[], count: number): Promise<number> {
  await using held = new AsyncDisposableStack();
  for (const { name, pid } of await target.processes())
    if (names.includes(name)) held.use(await limitCpu(pid, scene.options.share));
  const people = { kind: 'inTurn' as const, first: 0, count: scene.options.contacts };
  const window = await play(scene, `${names.length} shards`, { kind: 'asReady', count }, { people });
  return window.perSecond;
}
