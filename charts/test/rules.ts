/** The chart's Prometheus rules, as they are in its folder. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const folder = join(import.meta.dirname, '..', 'chappe', 'rules');

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Group {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export const ruleFiles: readonly string[] = globSync('*.yaml', { cwd: folder })
  .toSorted()
  .map((file) => join(folder, file));

export function groupsIn(file: string): readonly Group[] {
  return (parse(readFileSync(file, 'utf8')) as { readonly groups: readonly Group[] }).groups;
}

export const rules: readonly Rule[] = ruleFiles.flatMap((file) => groupsIn(file).flatMap((group) => group.rules));

export const alerts: readonly (Rule & { readonly alert: string })[] = rules.filter(
  (rule): rule is Rule & { readonly alert: string } => rule.alert !== undefined,
);
