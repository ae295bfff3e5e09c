/**
 * SECRET: every text of a run holds a marker, which must be in no file that any process or server wrote:
 * topics, tables, binlogs, logs. That the scan sees what is there is shown by a name that is no secret.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** In the text of each message. */
export function markerOf(seed: number): string {
  return `semaphore-${seed.toString(36)}-quetzal`;
}

/** @returns what is wrong */
export async function scanForSecrets(folder: string, marker: string, publicText: string): Promise<readonly string[]> {
  const [found, known] = await Promise.all([filesWith(folder, marker), filesWith(folder, publicText)]);
  return [
    ...found.map((file) => `SECRET: a message's text is in ${file}`),
    ...(known.length === 0 ? [`SECRET could not be checked: ${publicText} was not found either`] : []),
  ];
}

async function filesWith(folder: string, text: string): Promise<string[]> {
  try {
    const { stdout } = await run('grep', ['-rlaF', '--', text, folder], { maxBuffer: 16 * 1024 * 1024 });
    return stdout.split('\n').filter((line) => line !== '');
  } catch (error) {
    // 1: nothing was found. Files that vanish meanwhile are an error of 2, and the rest counts.
    const { code, stdout = '' } = error as { code?: number; stdout?: string };
    if (code === 1 || code === 2) return stdout.split('\n').filter((line) => line !== '');
    throw error;
  }
}
