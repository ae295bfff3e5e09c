/** Writes on a gRPC stream that respect its flow control. */
interface WritableCall {
  write(message: object): boolean;
  once(event: 'drain' | 'close' | 'cancelled' | 'error', listener: () => void): unknown;
  off(event: 'drain' | 'close' | 'cancelled' | 'error', listener: () => void): unknown;
  readonly destroyed: boolean;
  readonly writable: boolean;
}

/** Writes a message; resolves when the next one may be written, or the stream has ended. */
export async function writeRespectingFlow(call: WritableCall, message: object): Promise<void> {
  if (call.destroyed || !call.writable) return;
  if (call.write(message)) return;
  await new Promise<void>((resolve) => {
    const events = ['drain', 'close', 'cancelled', 'error'] as const;
    const done = (): void => {
      for (const event of events) call.off(event, done);
      resolve();
    };
    for (const event of events) call.once(event, done);
  });
}
