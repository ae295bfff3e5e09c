/**
 * The table of a chart's README from the comments of values.yaml: `node charts/test/values-table.ts --write` renews them.
 *
 * `# -- text` above a line `key: value` says what the value is; keys without it are folders.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { chartFolder, type Chart } from './render.ts';

const [begin, end] = ['<!-- values: made by `make chart-docs` -->', '<!-- /values -->'];

/** The README as it is, and as it should be. */
export function readmeWithTable(chart: Chart): { readonly now: string; readonly wanted: string } {
  const now = readFileSync(readmeOf(chart), 'utf8');
  const [before = '', rest = ''] = now.split(begin);
  const after = rest.split(end)[1] ?? '';
  return { now, wanted: `${before}${begin}\n\n${valuesTable(chart)}\n\n${end}${after}` };
}

function valuesTable(chart: Chart): string {
  const text = readFileSync(join(chartFolder(chart), 'values.yaml'), 'utf8');
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

function readmeOf(chart: Chart): string {
  return join(chartFolder(chart), 'README.md');
}

if (process.argv.includes('--write'))
  for (const chart of ['chappe', 'chappe-dev'] as const) writeFileSync(readmeOf(chart), readmeWithTable(chart).wanted);
