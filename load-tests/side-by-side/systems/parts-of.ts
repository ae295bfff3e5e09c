/** The processes of servers that run. */
import type { Part } from '../process-usage.ts';
import { serversOf } from '../../stack/process-record.ts';

/** @throws Error if one of them does not run */
export async function partsOf(folder: string, names: readonly string[]): Promise<Part[]> {
  const servers = await serversOf(folder);
  return names.map((name) => {
    const server = servers.find((each) => each.name === name);
    if (server?.running !== true) throw new Error(`${name} does not run`);
    return { name, pid: server.pid };
  });
}
