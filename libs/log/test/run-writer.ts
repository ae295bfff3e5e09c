/** Runs `writer.ts` in a process of its own, to be killed or to meet the end of its disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface WriterRun {
  readonly path: string;
  /** Kills it with SIGKILL once it has had so many records acknowledged. */
  readonly killAfterAcknowledged?: number;
  /** The largest file that it may write; beyond it, as on a full disk, writes fail. */
  readonly fileSizeMaxKibibytes?: number;
}

/** The ids of the records that were acknowledged; the writer has ended. */
export async function runWriter({ path, killAfterAcknowledged, fileSizeMaxKibibytes }: WriterRun): Promise<string[]> {
  const limit = fileSizeMaxKibibytes === undefined ? '' : `ulimit -f ${fileSizeMaxKibibytes};`;
  const script = fileURLToPath(new URL('writer.ts', import.meta.url));
  const writer = spawn('bash', ['-c', `${limit} exec "$0" "$@"`, process.execPath, script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(writer, 'exit');
  const acknowledged: string[] = [];
  for await (const id of createInterface({ input: writer.stdout })) {
    acknowledged.push(id);
    if (acknowledged.length === killAfterAcknowledged) writer.kill('SIGKILL');
  }
  const [code] = await exited;
  if (killAfterAcknowledged === undefined && code !== 0) throw new Error(`the writer ended with ${String(code)}`);
  return acknowledged;
}
