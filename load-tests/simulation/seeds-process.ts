/** Runs seeds one after the other, as its parent names them. A process of its own: each core has one. */
import { brokenBy, controlOf } from './rules.ts';
import { simulate } from './simulate.ts';

/** What is asked for. */
export interface Task {
  readonly seed: number;
  /** The rule that is broken. Absent: none. */
  readonly rule?: string;
  /** The faults that may happen, by name. Absent: all. */
  readonly only?: readonly string[];
}

export interface Outcome {
  readonly problems: readonly string[];
  readonly faults: readonly string[];
  readonly trace: readonly string[];
  readonly steps: number;
  readonly virtualMs: number;
  readonly messages: number;
}

export const nothing: Outcome = { problems: [], faults: [], trace: [], steps: 0, virtualMs: 0, messages: 0 };

process.on('message', (task: Task) => {
  void run(task).then(
    (outcome) => process.send?.(outcome),
    // A fault of the simulation itself.
    (error: Error) => process.send?.({ ...nothing, problems: [`FAULT: ${error.stack ?? error.message}`] }),
  );
});

async function run({ seed, rule, only }: Task): Promise<Outcome> {
  const { problems, faults, trace, steps, virtualMs, messages } = await simulate({
    seed,
    ...(only === undefined ? {} : { only: new Set(only) }),
    ...(rule === undefined ? {} : { broken: brokenBy(controlOf(rule)) }),
  });
  // A trace is of use only where something went wrong.
  return {
    problems,
    faults: faults.map(({ name }) => name),
    trace: problems.length === 0 ? [] : trace,
    steps,
    virtualMs,
    messages,
  };
}
