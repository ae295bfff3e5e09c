/** `promtool`, which checks rules and runs them on made series: Debian's package is installed if it is missing. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installMissing, type Program } from '../../load-tests/stack/debian-packages.ts';

const prometheusPrograms: readonly Program[] = [{ check: ['promtool', '--version'], debianPackage: 'prometheus' }];

const run = promisify(execFile);

/** What it says. @throws Error with what it has found, or with what is missing */
export async function promtool(...words: readonly string[]): Promise<string> {
  await installMissing(prometheusPrograms, (line) => process.stderr.write(`${line}\n`));
  try {
    const { stdout, stderr } = await run('promtool', [...words], { maxBuffer: 16 * 2 ** 20 });
    return stdout + stderr;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${words.join(' ')}: ${stdout}${stderr}`, { cause: error });
  }
}
