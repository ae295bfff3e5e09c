/** `chappe events`: what happened, from a cursor on. */
import { toJson } from '@bufbuild/protobuf';
import { EventSchema } from '@chappe/proto/v1/event';
import type { Command } from 'commander';
import { connectBusiness } from '../connect.ts';
import { eventLine } from '../describe-event.ts';
import { asBusiness, examples, type BusinessOptions } from '../options.ts';
import { note, printJsonLine, writeLine } from '../output.ts';
import { onStopSignal } from '../stop-signal.ts';

interface EventsOptions extends BusinessOptions {
  readonly from?: string;
  readonly follow?: boolean;
  readonly untilNow?: boolean;
}

/** Nobody answers at the start: say so, rather than wait for ever. */
const firstAnswerMs = 5_000;

export function eventsCommand(program: Command): void {
  asBusiness(program.command('events').description('what happened to messages, and what people wrote'))
    .option('--from <cursor>', 'after this cursor; `now`: only what comes; absent: from the oldest event kept')
    .option('--follow', 'go on with what happens, until Ctrl-C')
    .option('--until-now', 'end after what is there (the default)')
    .addHelpText(
      'after',
      examples('chappe events', 'chappe events --follow --from now', 'chappe events --follow --json | jq .state'),
    )
    .addHelpText(
      'after',
      '\nThe cursor of the last event goes to standard error at the end; with --json each event has its own.',
    )
    .action(events);
}

async function events(options: EventsOptions): Promise<void> {
  using client = connectBusiness(options);
  await client.waitForReady(firstAnswerMs);
  const stopped = new AbortController();
  using _ = onStopSignal(() => stopped.abort());

  let cursor = options.from === 'now' ? undefined : options.from;
  const start = options.from === 'now' ? ({ start: 'now' } as const) : {};
  const untilNow = options.follow !== true || options.untilNow === true;
  const from = cursor === undefined ? start : { cursor };
  for await (const event of client.subscribe({ ...from, untilNow, signal: stopped.signal })) {
    cursor = event.cursor;
    if (options.json === true) await printJsonLine(toJson(EventSchema, event));
    else await writeLine(eventLine(event));
  }
  if (options.json !== true && cursor !== undefined) note(`go on with --from ${cursor}`);
}
