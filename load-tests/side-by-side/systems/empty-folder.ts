/** Where a system's run begins: nothing of an earlier one runs, and nothing of it is left. */
import { mkdir, rm } from 'node:fs/promises';
import { serversOf, stopServer } from '../../stack/process-record.ts';

/**
 * @param inside folders to be made in it
 * @returns whether an earlier run had been broken off and its servers were killed
 */
export async function emptyFolder(folder: string, inside: readonly string[]): Promise<boolean> {
  const left = await serversOf(folder);
  for (const { name } of left) await stopServer(folder, name, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
  for (const name of inside) await mkdir(`${folder}/${name}`, { recursive: true });
  return left.length > 0;
}
