/** What is played: which windows, one after the other, with what rates. */
import type { Figure } from './figures.ts';
import { measureFloor } from './floor.ts';
import type { Options, ScenarioName } from './options.ts';
import type { Pace, People, Plan } from './plan.ts';
import { fewFromAccepted, runWindow, type WindowOptions, type WindowResult } from './run-window.ts';
import type { ScalingCurve } from './scaling.ts';
import type { Stage } from './stage.ts';

export interface Scene {
  readonly stage: Stage;
  readonly options: Options;
  /** Told of each window. */
  readonly say: (result: WindowResult) => void;
  readonly figure: (figure: Omit<Figure, 'values'>, value: number) => void;
  /** Told of a scaling curve. */
  readonly scaled: (curve: ScalingCurve) => void;
  readonly print: (line: string) => void;
}

/** The bench has a form of its own for each mode, and only a cluster has shards and changes its ranges. */
export type PlayedName = Exclude<ScenarioName, 'bench' | 'scaling' | 'reshape'>;

export const scenarios: Readonly<Record<PlayedName, (scene: Scene) => Promise<void>>> = {
  steady,
  knee,
  'new-contacts': newContacts,
  replies,
  burst,
  'hot-contact': hotContact,
  'hot-business': hotBusiness,
  campaign,
  fairness,
  soak: steady,
  floor,
};

/** How many businesses a scenario needs. */
export function businessesFor(scenario: ScenarioName): number {
  if (scenario === 'fairness') return 2;
  return scenario === 'hot-business' ? hotBusinessShares.length : 1;
}

/** Steps grow by this until one is not sustained; then the gap is halved so often. */
const kneeStep = 1.3;
const kneeHalvings = 2;
/** Beyond it nobody would call the rate usable, sustained or not. */
const kneeP99MsMax = 1_000;
/** At least two messages to each, and so many in all that the code has been compiled. */
const warmRoundsMin = 2;
const warmMessages = 4_000;
const burstSeconds = 5;
const hotContactShare = 0.2;
/** People beside a campaign, and messages to them in a second. */
const apartCount = 50;
const fewPerSecond = 10;
const hotBusinessShares = [0.85, 0.05, 0.05, 0.05] as const;

async function steady(scene: Scene): Promise<void> {
  const { rate, seconds } = scene.options;
  await warmUp(scene);
  await play(scene, `steady ${rate}/s`, steadily(rate, seconds));
}

async function knee(scene: Scene): Promise<void> {
  await warmUp(scene);
  await measureKnee(scene);
}

/** As fast as it goes, until the last is shown: to everybody in turn. */
export async function measureWarm(scene: Scene, messages: number, limit: number): Promise<WindowResult> {
  const people: People = { kind: 'inTurn', first: 0, count: scene.options.contacts };
  const warm = await play(scene, 'warm, as fast as it goes', { kind: 'asReady', count: messages }, { people });
  scene.figure({ name: 'messages a second, sessions warm', unit: '/s', better: 'higher', limit }, warm.perSecond);
  return warm;
}

export interface KneeLimits {
  readonly p99Ms?: number;
  readonly p50Ms?: number;
}

/** The highest rate that is sustained, then latency at 60 % of it and at 100/s. Sessions are warm. */
export async function measureKnee(scene: Scene, limits: KneeLimits = {}): Promise<void> {
  const { options, figure } = scene;
  const keep = (name: string, unit: string, better: Figure['better'], limit: number | undefined, value: number): void =>
    figure({ name, unit, better, ...(limit === undefined ? {} : { limit }) }, value);
  const sustained = await findKnee(scene);
  keep('sustained, p99 within 1 s', '/s', 'higher', undefined, sustained);
  if (sustained === 0) return;
  const calm = await play(scene, '60 % of the knee', steadily(roundRate(0.6 * sustained), options.seconds));
  const p99Ms = calm.toShown?.p99Ms ?? Infinity;
  keep('due to shown at 60 % of the knee, p99', 'ms', 'lower', limits.p99Ms, p99Ms);
  const few = await play(scene, '100/s', steadily(100, options.seconds));
  keep('due to shown at 100/s, p50', 'ms', 'lower', limits.p50Ms, few.toShown?.p50Ms ?? Infinity);
  const perSecond = await measureFloor(scene);
  keep('efficiency, sustained against the floor', '', 'higher', undefined, sustained / perSecond);
}

/** From the rate of the options on. @returns 0 if not even that is sustained, nor a quarter of it */
async function findKnee(scene: Scene): Promise<number> {
  const holds = async (perSecond: number): Promise<boolean> => {
    const { verdict, toShown } = await play(scene, `step ${perSecond}/s`, steadily(perSecond, scene.options.seconds));
    return verdict.isSustained && (toShown?.p99Ms ?? Infinity) <= kneeP99MsMax;
  };
  let good = 0;
  let bad = scene.options.rate;
  while (await holds(bad)) {
    good = bad;
    bad = roundRate(bad * kneeStep);
  }
  for (let halving = 0; halving < kneeHalvings; halving += 1) {
    const middle = roundRate((good + bad) / 2);
    if (middle === good || middle === bad) break;
    if (await holds(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** Every message starts a session; then what of that cannot be left out. */
async function newContacts(scene: Scene): Promise<void> {
  const { rate, seconds, contacts } = scene.options;
  await warmUp(scene);
  const first = scene.stage.registered;
  const count = Math.round(rate * seconds);
  await gather(scene, first + count);
  const people: People = { kind: 'inTurn', first: Math.max(first, contacts), count };
  const { shownPerSecond } = await play(scene, `new contacts ${rate}/s`, steadily(rate, seconds), { people });
  scene.figure({ name: 'new contacts, shown', unit: '/s', better: 'higher', limit: 500 }, shownPerSecond);
  const perSecond = await measureFloor(scene, true);
  scene.figure({ name: 'efficiency, new contacts', unit: '', better: 'higher' }, shownPerSecond / perSecond);
}

/** People write, the business reads. */
async function replies(scene: Scene): Promise<void> {
  const { rate, seconds } = scene.options;
  await warmUp(scene);
  await play(scene, `replies ${rate}/s`, steadily(rate, seconds), { areReplies: true });
}

async function burst(scene: Scene): Promise<void> {
  const { rate, seconds } = scene.options;
  await warmUp(scene);
  const pace: Pace = { kind: 'inBursts', perSecond: rate, seconds, periodSeconds: burstSeconds };
  await play(scene, `${rate * burstSeconds} at once, every ${burstSeconds} s`, pace);
}

/** First without the hot one, at the rate that the others have then as well. */
async function hotContact(scene: Scene): Promise<void> {
  const { rate, seconds, contacts } = scene.options;
  await warmUp(scene);
  const others = Math.round(rate * (1 - hotContactShare));
  const people = (share: number): People => ({ kind: 'hot', count: contacts, share });
  await play(scene, `nobody hot, ${others}/s`, steadily(others, seconds), { people: people(0) });
  const name = `${100 * hotContactShare} % of ${rate}/s to one contact`;
  await play(scene, name, steadily(rate, seconds), { people: people(hotContactShare) });
}

async function hotBusiness(scene: Scene): Promise<void> {
  const { rate, seconds } = scene.options;
  await warmUp(scene);
  const [hot, ...others] = hotBusinessShares;
  const calm = Math.round(rate * (1 - hot));
  const calmShares = [0, ...others.map((share) => share / (1 - hot))];
  await play(scene, `no business hot, ${calm}/s`, steadily(calm, seconds), { businessShares: calmShares });
  const name = `${100 * hot} % of ${rate}/s from one business`;
  await play(scene, name, steadily(rate, seconds), { businessShares: hotBusinessShares });
}

/** A file of a business: one stream, as fast as it takes messages. */
async function campaign(scene: Scene): Promise<void> {
  const { messages, contacts } = scene.options;
  await warmUp(scene);
  const people: People = { kind: 'inTurn', first: 0, count: contacts };
  await play(scene, `campaign of ${messages}`, { kind: 'asReady', count: messages }, { people, streams: 1 });
}

/**
 * A few messages alone, beside the campaign of another business, and beside their own business's: a business's people are
 * served in the order of the log, so the last is what everybody would have without turns by business.
 */
async function fairness(scene: Scene): Promise<void> {
  const { rate, seconds, contacts } = scene.options;
  await warmUp({ ...scene, options: { ...scene.options, contacts: contacts + apartCount } });
  const few: People = { kind: 'inTurn', first: contacts, count: apartCount };
  const alone = await play(scene, 'a few alone', steadily(fewPerSecond, seconds), {
    people: few,
    businessShares: [0, 1],
  });
  const waiting = Math.round(rate * seconds);
  const people: People = { kind: 'apart', campaign: waiting, count: contacts, apart: apartCount };
  const beside = (business: number): Pace => {
    return { kind: 'behindCampaign', campaign: waiting, perSecond: fewPerSecond, seconds, business };
  };
  const shares = { people, businessShares: [0.5, 0.5] };
  const another = await play(scene, `beside another's ${waiting}`, beside(1), shares);
  const own = await play(scene, `beside ${waiting} of their own`, beside(0), shares);
  const keep = (name: string, p99Ms: number | undefined): void =>
    scene.figure({ name: `accepted to shown, p99: ${name}`, unit: 'ms', better: 'lower' }, p99Ms ?? Infinity);
  keep('alone (from due)', alone.toShown?.p99Ms);
  keep('beside the campaign of another business', another.groups[fewFromAccepted]?.p99Ms);
  keep('in the order of the log', own.groups[fewFromAccepted]?.p99Ms);
}

async function floor(scene: Scene): Promise<void> {
  await measureFloor(scene);
}

/** Everybody is registered and has a session with every business that both sides have used. */
export async function warmUp(scene: Scene): Promise<void> {
  const { stage, options } = scene;
  if (!(await gather(scene, options.contacts))) return;
  const count = Math.max(options.contacts, Math.round(warmMessages / warmRoundsMin / stage.businesses));
  const people: People = { kind: 'inTurn', first: 0, count: options.contacts };
  for (let business = 0; business < stage.businesses; business += 1) {
    const businessShares = Array.from({ length: stage.businesses }, (_, no) => Number(no === business));
    for (let round = 0; round < warmRoundsMin; round += 1)
      await play(scene, warmUpName, { kind: 'asReady', count }, { people, businessShares });
  }
}

/** Its windows are not results. */
export const warmUpName = 'warm-up';

/** @returns whether anybody was new */
async function gather({ stage, print }: Scene, count: number): Promise<boolean> {
  const { registered, tookMs } = await stage.gather(count);
  const perSecond = Math.round(registered / (tookMs / 1_000));
  if (registered > 0)
    print(`${registered} handsets registered and connected in ${(tookMs / 1_000).toFixed(1)} s (${perSecond}/s)`);
  return registered > 0;
}

export async function play(
  { stage, options, say }: Scene,
  name: string,
  pace: Pace,
  differences: Partial<Plan> = {},
  windowOptions: WindowOptions = {},
): Promise<WindowResult> {
  const plan: Plan = {
    pace,
    people: { kind: 'zipf', count: options.contacts, exponent: options.exponent },
    businessShares: [1],
    streams: options.streams,
    seed: options.seed,
    ...differences,
  };
  const result = await runWindow(stage, name, plan, windowOptions);
  say(result);
  return result;
}

export function steadily(perSecond: number, seconds: number): Pace {
  return { kind: 'steadily', perSecond, seconds };
}

/** To three figures: 1,234 becomes 1,230. */
function roundRate(rate: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 2);
  return Math.round(rate / step) * step;
}
