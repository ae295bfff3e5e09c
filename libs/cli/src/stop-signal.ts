/** SIGINT, SIGTERM and SIGHUP ask a command to end; insisting ends it at once. */

/**
 * Ctrl-C reaches a command twice where a launcher passes signals on: what comes within this time is
 * one request.
 */
const sameRequestMs = 1_000;

/** By convention 128 and the number of SIGINT. */
const interruptedExitCode = 130;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Calls `stop` at the first request, until it is disposed. */
export function onStopSignal(stop: () => void): Disposable {
  let firstMs: number | undefined;
  const hear = (): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      stop();
    } else if (performance.now() - firstMs > sameRequestMs) {
      process.exit(interruptedExitCode);
    }
  };
  for (const signal of signals) process.on(signal, hear);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, hear);
    },
  };
}
