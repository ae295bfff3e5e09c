/**
 * Waits for an event, and no longer than a time. True: the time has passed. False: the event came before.
 *
 * Without an AbortController: its error costs more than most of what is waited for.
 */
export function timeOrEvent(ms: number, event: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), ms);
    const came = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    event.then(came, came);
  });
}
