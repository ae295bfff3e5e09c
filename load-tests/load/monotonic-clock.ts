/** Milliseconds on the kernel's monotonic clock, with fractions: the same in every process of this machine. */
const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export function nowMs(): number {
  return offsetMs + performance.now();
}
