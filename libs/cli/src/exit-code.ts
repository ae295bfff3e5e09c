/** The exit codes of `chappe`. They are part of its interface. */
export const ExitCode = {
  ok: 0,
  /** Refused, failed, or a part of it was. */
  failed: 1,
  /** The command line or a file is wrong; nothing was done. */
  usage: 2,
  /** Nobody answered, or asks to come again later. */
  unavailable: 3,
} as const;
