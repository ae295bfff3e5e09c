/** Keeps a run in load-tests/reports. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { RunReport } from './run-report.ts';

const folder = fileURLToPath(new URL('../reports/', import.meta.url));

/** @returns the path of what was written */
export async function writeReport(report: RunReport): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = `${folder}${report.options.scenario}-${report.options.mode}.json`;
  await writeFile(path, `${JSON.stringify(report, undefined, 1)}\n`);
  return path;
}
