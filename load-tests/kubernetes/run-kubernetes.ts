/** A whole run: the lab, the steps in their order, the report. */
import { AdminClient } from '@chappe/client/admin-client';
import { chappeImage, pushCopy } from '../../charts/lab/images.ts';
import { bringUp, takeDown } from '../../charts/lab/lab.ts';
import { People } from '../faults/people.ts';
import { CodesProvider } from './codes-provider.ts';
import { adminKey, gateway, relay } from './releases.ts';
import { formatStep, writeReport } from './report.ts';
import type { Finding, RunContext, Step, StepResult } from './step.ts';
import { drain, scale, upgrade } from './steps/changes.ts';
import { badCases } from './steps/bad-cases.ts';
import { dryRun, install, messages, uninstall } from './steps/install.ts';
import { largeShapes } from './steps/large-shapes.ts';
import { policies } from './steps/policies.ts';
import { rotation } from './steps/rotation.ts';
import { stuckSender } from './steps/stuck-sender.ts';
import { zoneLoss } from './steps/zone-loss.ts';

const steps: readonly Step[] = [
  dryRun,
  install,
  messages,
  policies,
  drain,
  upgrade,
  scale,
  stuckSender,
  zoneLoss,
  rotation,
  badCases,
  uninstall,
  largeShapes,
];

const short: readonly Step[] = [dryRun, install, messages, policies, drain, upgrade, uninstall];

export interface KubernetesRunOptions {
  readonly steps: string;
  readonly perSecond: number;
  readonly seed: number;
  readonly reportsFolder: string;
  /** The lab and what is installed stay. */
  readonly isKept: boolean;
  readonly signal: AbortSignal;
}

/** @returns the exit code */
export async function runKubernetes(options: KubernetesRunOptions): Promise<number> {
  const { perSecond, seed, signal } = options;
  const chosen = chooseSteps(options.steps);
  const startedAt = new Date();
  const results: StepResult[] = [];
  try {
    await bringUp(print);
    // The same code twice: there is no release before this one yet, and what an upgrade does to the pods is the same.
    for (const version of ['before', 'after']) await pushCopy(chappeImage.replace(/:[^:]*$/, `:${version}`), version);
    const labMs = Date.now() - startedAt.getTime();
    await using codes = await CodesProvider.start();
    await using outside = new Outside(codes);
    const context: RunContext = {
      perSecond,
      seed,
      signal,
      codes,
      installed: () => outside.there(),
      connect: () => outside.connect(),
      disconnect: () => outside[Symbol.asyncDispose](),
    };
    for (const step of chosen) {
      if (signal.aborted) break;
      const result = await runStep(step, context);
      results.push(result);
      print(formatStep(result));
    }
    const tookMs = Date.now() - startedAt.getTime();
    const report = { startedAt: startedAt.toISOString(), tookMs, labMs, seed, perSecond, steps: results };
    print(`report: ${await writeReport(report, options.reportsFolder)}`);
  } finally {
    if (!options.isKept) await takeDown(false);
  }
  const isRed = results.some(({ complaints }) => complaints.length > 0);
  return isRed || signal.aborted || results.length < chosen.length ? 1 : 0;
}

async function runStep({ name, what, run }: Step, context: RunContext): Promise<StepResult> {
  const startedAt = performance.now();
  const finding = await run(context).catch((error: unknown): Finding => ({
    figures: {},
    complaints: [`not finished: ${textOf(error)}`],
  }));
  return { name, what, tookMs: performance.now() - startedAt, ...finding };
}

/** Who is outside of the cluster: an operator, and people with handsets. */
class Outside implements AsyncDisposable {
  readonly #codes: CodesProvider;
  #there: { readonly admin: AdminClient; readonly people: People } | undefined;

  constructor(codes: CodesProvider) {
    this.#codes = codes;
  }

  there(): { readonly admin: AdminClient; readonly people: People } {
    if (this.#there === undefined) throw new Error('Chappe is not installed: the step `install` comes first');
    return this.#there;
  }

  async connect(): Promise<void> {
    const admin = new AdminClient({ address: gateway, adminKey: await adminKey() });
    const people = new People({ relay, codeOf: (number) => this.#codes.codeOf(number) });
    this.#there = { admin, people };
    await people.gather();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const there = this.#there;
    this.#there = undefined;
    there?.admin[Symbol.dispose]();
    await there?.people[Symbol.asyncDispose]();
  }
}

/** @throws Error naming the steps that there are */
function chooseSteps(text: string): readonly Step[] {
  if (text === 'all') return steps;
  if (text === 'short') return short;
  const names = text.split(',');
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0)
    throw new Error(
      `there is no step ${unknown.join(', ')}: all, short, or of ${steps.map(({ name }) => name).join(', ')}`,
    );
  return steps.filter(({ name }) => names.includes(name));
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error instanceof SuppressedError) return `${textOf(error.suppressed)}; and then: ${textOf(error.error)}`;
  return error.cause === undefined ? error.message : `${error.message}: ${textOf(error.cause)}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
