/** Keeps a run in load-tests/reports: a page to look at, and the same as JSON. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { pageOf } from './report-page.ts';
import type { RunReport } from './run-report.ts';

const folder = fileURLToPath(new URL('../reports/', import.meta.url));

/** @returns the path of the page */
export async function writeReport(report: RunReport): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = `${folder}${report.options.scenario}-${report.options.mode}`;
  await writeFile(`${path}.json`, `${JSON.stringify(report, undefined, 1)}\n`);
  await writeFile(`${path}.html`, pageOf(report));
  return `${path}.html`;
}
