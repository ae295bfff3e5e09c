/** What a process has logged, as far as runs look at it. */
import { readFile } from 'node:fs/promises';

export interface LogLine {
  /** As the layout names it. */
  readonly process: string;
  /** Of the system's clock. */
  readonly timeMs: number;
  readonly msg: string;
  readonly range: string | undefined;
  /** Of a range that was given up: why. */
  readonly end: string | undefined;
  /** Of a reshape: the step that it came to, and how long that took. */
  readonly step: string | undefined;
  readonly tookMs: number | undefined;
  readonly heldMs: number | undefined;
}

/** The lines of a log file that are whole; none if it is not there. */
export async function readLog(process: string, path: string): Promise<readonly LogLine[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.endsWith('}')) return [];
    const { time, msg, range, end, step, tookMs, heldMs } = JSON.parse(line) as Record<string, string | undefined>;
    const [took, held] = [tookMs, heldMs].map((ms) => (ms === undefined ? undefined : Number(ms)));
    const timeMs = new Date(time ?? 0).getTime();
    return [{ process, timeMs, msg: msg ?? '', range, end, step, tookMs: took, heldMs: held }];
  });
}
