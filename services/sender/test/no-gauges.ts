/** For tests that look at no gauge. */
import type { SenderGauges } from '../src/events.ts';

export const noGauges: SenderGauges = {
  ranges: () => 0,
  attachedDevices: () => 0,
  stuckRanges: () => 0,
  stoppedRanges: () => 0,
  oldestAppendTimeMs: () => undefined,
  lagCommands: () => undefined,
  readAheadCommands: () => 0,
  businessesAboveShare: () => 0,
  heldCommands: () => undefined,
  now: Date.now,
};
