/** `chappe demo`: everything at once, on a node of its own. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { exampleFiles, examplesFolder } from '../demo/example-files.ts';
import type { DemoFile } from '../demo/people.ts';
import { runDemo } from '../demo/run-demo.ts';
import { UsageError } from '../failure.ts';
import { examples } from '../options.ts';
import { onStopSignal } from '../stop-signal.ts';

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

function filesOf(file: string | undefined): readonly DemoFile[] {
  return file === undefined ? exampleFiles : [{ path: file, business: 0 }];
}
