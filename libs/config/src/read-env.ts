/**
 * Environment -> configuration, parsed once, frozen, every problem reported at once.
 *
 * Names are `CHAPPE_` + the option in capitals. A secret may be given as `<NAME>_FILE`, the path
 * of a file that holds it. The only place that knows zod besides the `config.ts` files.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { missingCompanions } from './companions.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration is wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Reads what a schema names. Keys of the schema are the names of the variables.
 *
 * @throws ConfigError with every problem, cross-field refinements of the schema included
 */
export function readEnv<S extends z.ZodObject>(schema: S, environment: Environment): Readonly<z.output<S>> {
  const problems: string[] = [];
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, valueOf(name, environment, problems)]),
  );
  problems.push(...missingCompanions(given));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  return Object.freeze(parsed.data);
}

function valueOf(name: string, environment: Environment, problems: string[]): string | undefined {
  const file = environment[`${name}_FILE`];
  if (file === undefined) return environment[name];
  if (environment[name] !== undefined) problems.push(`${name}: give it or ${name}_FILE, not both`);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    problems.push(`${name}_FILE: cannot read ${file}: ${error instanceof Error ? error.message : 'unknown'}`);
    return undefined;
  }
}

/** A positive whole number, e.g. of milliseconds or bytes. */
export const wholeNumber = (fallback: number): z.ZodType<number> =>
  z.coerce.number().int().positive().default(fallback);
