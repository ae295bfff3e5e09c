/** The programs that the servers need: Debian's packages are installed when a program is missing. */
import { userInfo } from 'node:os';
import { runCommand } from './process-record.ts';

export interface Program {
  /** Ends with 0 if the program is there, e.g. `['etcd', '--version']`. */
  readonly check: readonly [command: string, ...args: string[]];
  /** Debian's package that brings it. */
  readonly debianPackage: string;
}

/** @throws Error naming what is missing, if it is not for this process to install it or the installation fails */
export async function installMissing(programs: readonly Program[], report: (line: string) => void): Promise<void> {
  const isThere = await Promise.all(programs.map(({ check: [command, ...args] }) => succeeds(command, args)));
  const missing = programs.filter((_, index) => !isThere[index]);
  if (missing.length === 0) return;
  const packages = missing.map(({ debianPackage }) => debianPackage);
  if (userInfo().uid !== 0 || !(await succeeds('apt-get', ['--version']))) {
    throw new Error(
      `Debian's packages ${packages.join(', ')} are missing on this machine. Install them, or run this as root where there is apt-get`,
    );
  }
  report(`installing ${packages.join(', ')}`);
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  // On a fresh machine the lists of packages are empty or old.
  if (await succeeds('apt-get', install)) return;
  await runCommand('apt-get', ['update'], quietly);
  await runCommand('apt-get', install, quietly);
}

const quietly = { environment: { DEBIAN_FRONTEND: 'noninteractive' } };

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return runCommand(command, args, quietly).then(
    () => true,
    () => false,
  );
}
