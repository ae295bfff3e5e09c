/** `make bench-cluster`: what the cluster does on this machine, in figures that have limits. */
import type { ClusterTarget } from './cluster-target.ts';
import { planningTimes } from './planning-time.ts';
import { measureKnee, measureWarm, warmUp, type Scene } from './scenarios.ts';
import { spreadOf } from './spread.ts';
import { takeOver } from './takeover.ts';

const takeovers = 20;
const quickTakeovers = 3;
const messages = 30_000;
const quickMessages = 6_000;

export async function benchCluster(scene: Scene, target: ClusterTarget): Promise<void> {
  const { options, figure } = scene;
  const wants = (part: string): boolean => options.parts?.includes(part) ?? true;
  if (wants('planning')) measurePlanning(scene);
  if (['rate', 'takeover', 'hand-over'].some(wants)) await warmUp(scene);
  if (wants('rate')) {
    await measureWarm(scene, options.isQuick ? quickMessages : messages, 800);
    await measureKnee(scene, { p99Ms: 250, p50Ms: 40 });
  }
  const times = options.isQuick ? quickTakeovers : takeovers;
  if (wants('takeover')) await measureSignals(scene, target, 'SIGKILL', times);
  if (wants('hand-over')) await measureSignals(scene, target, 'SIGTERM', times);
  if (!wants('memory')) return;
  for (const { name, peakBytes } of await scene.stage.usage()) {
    const isOurs = target.services.includes(name);
    if (isOurs)
      figure({ name: `memory, ${name}, peak`, unit: 'MiB', better: 'lower', limit: 250 }, peakBytes / 2 ** 20);
  }
}

async function measureSignals(
  scene: Scene,
  target: ClusterTarget,
  signal: 'SIGKILL' | 'SIGTERM',
  times: number,
): Promise<void> {
  const { figure, print } = scene;
  const isKill = signal === 'SIGKILL';
  const what = isKill ? 'takeover after kill -9' : 'hand-over on SIGTERM';
  const limit = isKill ? 8_000 : 1_000;
  const found = { unownedMs: [] as number[], unservedMs: [] as number[], longestWaitMs: [] as number[] };
  for (let time = 0; time < times; time += 1) {
    const one = await takeOver(scene, target, signal);
    found.unownedMs.push(one.unownedMs);
    found.unservedMs.push(one.unservedMs);
    found.longestWaitMs.push(one.longestWaitMs);
    print(
      `  ${what} ${time + 1}: ${one.victim}, ${one.ranges} ranges, other owners after ${one.unownedMs.toFixed(0)} ms, ` +
        `served after ${one.unservedMs.toFixed(0)} ms, longest wait ${one.longestWaitMs.toFixed(0)} ms`,
    );
  }
  // Served again is what counts: an owner in the table alone shows nobody anything.
  const names = { unownedMs: 'other owners', unservedMs: 'served again', longestWaitMs: 'longest wait of a message' };
  for (const [key, name] of Object.entries(names) as [keyof typeof names, string][]) {
    const { p50, p95, max } = spreadOf(found[key]);
    const isJudged = key === (isKill ? 'unservedMs' : 'longestWaitMs');
    figure({ name: `${what}, ${name}, p50`, unit: 'ms', better: 'lower' }, p50);
    figure({ name: `${what}, ${name}, p95`, unit: 'ms', better: 'lower', ...(isJudged ? { limit } : {}) }, p95);
    figure({ name: `${what}, ${name}, max`, unit: 'ms', better: 'lower' }, max);
  }
}

function measurePlanning({ figure }: Scene): void {
  for (const { case: name, medianMs, maxMs } of planningTimes()) {
    const base = { unit: 'ms', better: 'lower', limit: 100 } as const;
    figure({ name: `planning 10,000 ranges on 500 shards, ${name}, median`, ...base }, medianMs);
    figure({ name: `planning 10,000 ranges on 500 shards, ${name}, max`, ...base }, maxMs);
  }
}
