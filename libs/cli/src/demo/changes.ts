/** Waiting until something is so, woken by whatever may have changed it. */
export class Changes {
  #changed = Promise.withResolvers<void>();

  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** @returns whether it became so in time; false as well when the signal is aborted */
  async until(isSo: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const wake = (): void => this.wake();
    const timer = setTimeout(wake, timeoutMs);
    signal.addEventListener('abort', wake, { once: true });
    const endMs = performance.now() + timeoutMs;
    try {
      while (!isSo()) {
        if (signal.aborted || performance.now() >= endMs) return false;
        await this.#changed.promise;
      }
      return true;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
    }
  }
}
