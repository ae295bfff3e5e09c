/** A line that says how far something is: rewritten in place on a terminal, now and then elsewhere. */

export interface Progress extends Disposable {
  /** Shows `text` when it is time to; called as often as one likes. */
  update(text: () => string): void;
  /** A line that stays. */
  note(text: string): void;
  /** Removes the line; the next update brings it back. */
  clear(): void;
}

const terminalIntervalMs = 100;
const logIntervalMs = 5_000;

/** To stderr, so that a result on stdout stays clean. Nothing at all with `isQuiet`. */
export function openProgress(isQuiet: boolean): Progress {
  const isTerminal = process.stderr.isTTY;
  const intervalMs = isTerminal ? terminalIntervalMs : logIntervalMs;
  let last = performance.now();
  let isShown = false;
  const clear = (): void => {
    if (isTerminal && isShown) process.stderr.write('\r\u001B[K');
    isShown = false;
  };
  return {
    update(text) {
      if (isQuiet || performance.now() - last < intervalMs) return;
      last = performance.now();
      isShown = true;
      const width = process.stderr.columns ?? 80;
      process.stderr.write(isTerminal ? `\r\u001B[K${text().slice(0, width - 1)}` : `${text()}\n`);
    },
    note(text) {
      clear();
      process.stderr.write(`${text}\n`);
    },
    clear,
    [Symbol.dispose]: clear,
  };
}

/** E.g. `[######..............]  30%`. */
export function formatBar(done: number, total: number): string {
  const cells = 20;
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.floor(part * cells);
  return `[${'#'.repeat(filled)}${'.'.repeat(cells - filled)}] ${String(Math.floor(part * 100)).padStart(3)}%`;
}
