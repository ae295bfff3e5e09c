/** Keeps a run: a page to look at, and the same as JSON. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pageOf } from './report-page.ts';
import type { RunReport } from './run-report.ts';

/** @returns the path of the page */
export async function writeReport(report: RunReport, folder: string): Promise<string> {
  const { scenario, mode, parts = [] } = report.options;
  await mkdir(folder, { recursive: true });
  // Parts of a bench lie beside the whole of it.
  const path = join(folder, [scenario, mode, ...parts].join('-'));
  await writeFile(`${path}.json`, `${JSON.stringify(report, undefined, 1)}\n`);
  await writeFile(`${path}.html`, pageOf(report));
  return `${path}.html`;
}
