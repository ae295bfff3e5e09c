/**
 * Brings Kannel, Jasmin and what Jasmin needs: Debian's packages, and Jasmin from PyPI in a virtual environment below
 * the run's folder. Nothing happens if they are there.
 */
import { stat } from 'node:fs/promises';
import { runCommand } from '../stack/process-record.ts';
import { dataFolder } from './settings.ts';

const packages = ['kannel', 'kannel-extras', 'rabbitmq-server', 'redis-server'];
/** Not 0.11.1: it stumbles over the answer to each message of one part, and so reports no delivery of any (its issue 1236). */
const jasmin = 'jasmin==0.11.0';
export const venvFolder = `${dataFolder}/venv`;

export async function install(report: (line: string) => void): Promise<void> {
  const missing = await Promise.all(packages.map(async (name) => ((await isInstalled(name)) ? [] : [name])));
  if (missing.flat().length > 0) {
    report(`installing ${missing.flat().join(', ')}`);
    await runCommand('apt-get', ['install', '-y', '--no-install-recommends', ...missing.flat()], {
      environment: { DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  if (await exists(`${venvFolder}/bin/dlrlookupd.py`)) return;
  report(`installing ${jasmin}`);
  await runCommand('python3', ['-m', 'venv', venvFolder]);
  await runCommand(`${venvFolder}/bin/pip`, ['install', '--quiet', jasmin]);
}

/** What runs, for the report: `name version` each. */
export async function versions(): Promise<string[]> {
  const debian = await Promise.all(packages.map(async (name) => `${name} ${(await queried(name)) ?? 'not installed'}`));
  const python = await runCommand(`${venvFolder}/bin/python`, ['--version']);
  return [...debian, jasmin.replace('==', ' '), python.trim()];
}

async function isInstalled(name: string): Promise<boolean> {
  return (await queried(name)) !== undefined;
}

/** The version of an installed package of Debian. */
function queried(name: string): Promise<string | undefined> {
  return runCommand('dpkg-query', ['--show', '--showformat=${Version}', name]).catch(() => undefined);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
