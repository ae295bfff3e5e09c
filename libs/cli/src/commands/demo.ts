/** `chappe demo`: everything at once, on a node of its own. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { DemoFile } from '../demo/people.ts';
import { runDemo } from '../demo/run-demo.ts';
import { UsageError } from '../failure.ts';
import { examples } from '../options.ts';
import { onStopSignal } from '../stop-signal.ts';

const examplesFolder = resolve(import.meta.dirname, '../../../../examples');

const exampleFiles = [
  ['boarding-passes.csv', 'boarding_pass', 0],
  ['parcel-tracking.csv', 'parcel_tracking', 0],
  ['event-tickets.csv', 'event_ticket', 0],
  ['appointment-reminders.csv', 'appointment_reminder', 1],
  ['payment-reminders.csv', 'payment_reminder', 1],
  ['machine-alerts.csv', 'machine_alert', 1],
] as const;

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'two businesses and a crowd of simulated handsets on a node of their own, held against an independent tally',
    )
    .argument(
      '[file]',
      'your own CSV: columns to, language, template (of examples/templates.json) and its parameters; or to and text',
    )
    .addHelpText('after', examples('chappe demo', 'chappe demo my.csv'))
    .action(demo);
}

async function demo(file: string | undefined): Promise<void> {
  if (file !== undefined && !existsSync(file)) throw new UsageError(`there is no file ${file}`);
  const stopped = new AbortController();
  using _ = onStopSignal(() => stopped.abort());
  process.exitCode = await runDemo({ files: filesOf(file), examplesFolder, signal: stopped.signal });
}

function filesOf(file: string | undefined): DemoFile[] {
  if (file !== undefined) return [{ path: file, business: 0 }];
  return exampleFiles.map(([name, template, business]) => ({ path: join(examplesFolder, name), template, business }));
}
