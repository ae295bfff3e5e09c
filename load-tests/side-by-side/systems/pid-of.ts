/** The process of a server that runs. */
import { serversOf } from '../../stack/process-record.ts';

/** @throws Error if it does not run */
export async function pidOf(folder: string, name: string): Promise<number> {
  const server = (await serversOf(folder)).find((each) => each.name === name);
  if (server?.running !== true) throw new Error(`${name} does not run`);
  return server.pid;
}
