/** How long to wait before another attempt: doubling, with a limit, and jitter so that thousands do not come at once. */
import { reconnectFirstMs, reconnectLastMs } from './limits.ts';

/**
 * @param failures how many attempts have failed in a row, from 1
 * @param random from 0 to 1
 */
export function reconnectAfterMs(failures: number, random: number): number {
  const fullMs = Math.min(reconnectLastMs, reconnectFirstMs * 2 ** Math.min(failures - 1, 20));
  return Math.round(fullMs * (0.5 + random / 2));
}
