/** Where a system's run begins: nothing of an earlier one runs, and nothing of it is left. */
import { mkdir, rm } from 'node:fs/promises';
import { serversOf, stopServer } from '../../stack/process-record.ts';

/** @param inside folders to be made in it */
export async function emptyFolder(folder: string, inside: readonly string[]): Promise<void> {
  for (const { name } of await serversOf(folder)) await stopServer(folder, name, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
  for (const name of inside) await mkdir(`${folder}/${name}`, { recursive: true });
}
