/** What is played: which windows, one after the other, with what rates. */
import type { Options, ScenarioName } from './options.ts';
import type { People, Plan } from './plan.ts';
import { runWindow, type WindowResult } from './run-window.ts';
import type { Stage } from './stage.ts';

export interface Scene {
  readonly stage: Stage;
  readonly options: Options;
  /** Told of each window. */
  readonly say: (result: WindowResult) => void;
  readonly print: (line: string) => void;
}

export const scenarios: Readonly<Record<ScenarioName, (scene: Scene) => Promise<void>>> = { steady, knee };

/** Steps grow by this until one is not sustained; then the gap is halved so often. */
const kneeStep = 1.3;
const kneeHalvings = 2;
const kneeP99MsMax = 1_000;
/** At least two messages to each, and so many in all that the code has been compiled. */
const warmRoundsMin = 2;
const warmMessages = 4_000;

async function steady(scene: Scene): Promise<void> {
  const { rate, seconds } = scene.options;
  await warmUp(scene);
  await play(scene, `steady ${rate}/s`, { kind: 'steadily', perSecond: rate, seconds });
}

/** The highest rate that is sustained, then latency at 60 % of it and at 100/s. */
async function knee(scene: Scene): Promise<void> {
  const { seconds } = scene.options;
  await warmUp(scene);
  const holds = async (perSecond: number): Promise<boolean> => {
    const { verdict, toShown } = await play(scene, `step ${perSecond}/s`, { kind: 'steadily', perSecond, seconds });
    return verdict.isSustained && (toShown?.p99Ms ?? Infinity) <= kneeP99MsMax;
  };
  let good = 0;
  let bad = scene.options.rate;
  while (await holds(bad)) {
    good = bad;
    bad = roundRate(bad * kneeStep);
  }
  for (let halving = 0; halving < kneeHalvings && bad > 50; halving += 1) {
    const middle = roundRate((good + bad) / 2);
    if (middle === good || middle === bad) break;
    if (await holds(middle)) good = middle;
    else bad = middle;
  }
  scene.print(`sustained: ${good}/s`);
  if (good === 0) return;
  const calm = roundRate(0.6 * good);
  await play(scene, `60 % of the knee, ${calm}/s`, { kind: 'steadily', perSecond: calm, seconds });
  await play(scene, '100/s', { kind: 'steadily', perSecond: 100, seconds });
}

/** Everybody is registered and has a session that both sides have used. */
async function warmUp(scene: Scene): Promise<void> {
  const { stage, options, print, say } = scene;
  const { registered, tookMs } = await stage.gather(options.contacts);
  if (registered === 0) return;
  print(`${registered} handsets registered and connected in ${(tookMs / 1_000).toFixed(1)} s`);
  for (let round = 0; round < warmRoundsMin; round += 1) {
    const plan: Plan = {
      pace: { kind: 'asReady', count: Math.max(options.contacts, warmMessages / warmRoundsMin) },
      people: { kind: 'inTurn', first: 0, count: options.contacts },
      businessShares: [1],
      streams: options.streams,
      seed: options.seed,
    };
    say(await runWindow(stage, 'warm-up', plan));
  }
}

async function play(scene: Scene, name: string, pace: Plan['pace'], people?: People): Promise<WindowResult> {
  const { stage, options, say } = scene;
  const result = await runWindow(stage, name, {
    pace,
    people: people ?? { kind: 'zipf', count: options.contacts, exponent: options.exponent },
    businessShares: [1],
    streams: options.streams,
    seed: options.seed,
  });
  say(result);
  return result;
}

/** To two figures and a half: 1,234 -> 1,230. */
function roundRate(rate: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 2) * 1;
  return Math.round(rate / step) * step;
}
