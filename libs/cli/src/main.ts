/** `chappe`: runs one command, says what went wrong, and ends with the exit code that means it. */
import { CommanderError } from 'commander';
import { ExitCode } from './exit-code.ts';
import { describeFailure, formatFailure } from './failure.ts';
import { note } from './output.ts';
import { buildProgram } from './program.ts';

// `chappe events | head` ends when nobody reads any more.
process.stdout.on('error', (error) => {
  if ('code' in error && error.code === 'EPIPE') process.exit(ExitCode.ok);
  throw error;
});

try {
  await buildProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  // Commander has said it already; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  const failure = describeFailure(error);
  if (process.argv.includes('--json')) {
    const { code, title, detail, todo } = failure;
    note(JSON.stringify({ error: { code, title, detail, todo } }));
  } else {
    note(formatFailure(failure));
  }
  return failure.exitCode;
}
