/**
 * The table of the chart's README from the comments of values.yaml: `node charts/test/values-table.ts --write` renews it.
 *
 * `# -- text` above a line `key: value` says what the value is; keys without it are folders.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const folder = join(import.meta.dirname, '..', 'chappe');
const readmePath = join(folder, 'README.md');
const [begin, end] = ['<!-- values: made by `make chart-docs` -->', '<!-- /values -->'];

/** The README as it is, and as it should be. */
export function readmeWithTable(): { readonly now: string; readonly wanted: string } {
  const now = readFileSync(readmePath, 'utf8');
  const [before = '', rest = ''] = now.split(begin);
  const after = rest.split(end)[1] ?? '';
  return { now, wanted: `${before}${begin}\n\n${valuesTable()}\n\n${end}${after}` };
}

function valuesTable(): string {
  const text = readFileSync(join(folder, 'values.yaml'), 'utf8');
  const values: unknown = parse(text);
  const rows: string[] = [];
  const path: { readonly indent: number; readonly key: string }[] = [];
  let said: string | undefined;
  for (const line of text.split('\n')) {
    const comment = /^\s*# -- (.*)$/.exec(line)?.[1];
    if (comment !== undefined) said = comment;
    const [, spaces = '', key] = /^(\s*)([\w]+):/.exec(line) ?? [];
    if (key === undefined) continue;
    while ((path.at(-1)?.indent ?? -1) >= spaces.length) path.pop();
    path.push({ indent: spaces.length, key });
    if (said === undefined) continue;
    const keys = path.map((each) => each.key);
    const value = keys.reduce<unknown>((found, each) => (found as Record<string, unknown>)[each], values);
    rows.push(`| \`${keys.join('.')}\` | \`${JSON.stringify(value)}\` | ${said} |`);
    said = undefined;
  }
  return ['| value | unless set | |', '|---|---|---|', ...rows].join('\n');
}

if (process.argv.includes('--write')) writeFileSync(readmePath, readmeWithTable().wanted);
