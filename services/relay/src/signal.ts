/** A flag that one loop waits for. Setting it twice is the same as once; waiting clears it. */
export class Signal {
  #set = false;
  #wake: (() => void) | undefined;

  set(): void {
    this.#set = true;
    this.#wake?.();
  }

  /** Resolves at once if it was set since the last wait, else when it is. One waiter at a time. */
  async wait(): Promise<void> {
    if (!this.#set) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#set = false;
  }
}
