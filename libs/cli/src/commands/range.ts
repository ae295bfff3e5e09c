/** `chappe range ...`, `chappe reshapes` and `chappe journal`: which ranges there are, changed while messages flow. For the operator. */
import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { AdminClient } from '@chappe/client/admin-client';
import {
  ListJournalResponseSchema,
  ListReshapesResponseSchema,
  ReshapeSchema,
  type Reshape,
} from '@chappe/proto/v1/cluster_service';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Command } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { withOperator } from '../connect.ts';
import { ExitCode } from '../exit-code.ts';
import { asOperator, examples, readWholeNumber, type OperatorOptions } from '../options.ts';
import { note, printMessage } from '../output.ts';
import { formatTable } from '../table.ts';

/** A reshape takes less than a second; one whose range is behind, or whose database is away, goes on without us. */
const followMsMax = 60_000;
const lookMs = 50;

interface ReshapeOptions extends OperatorOptions {
  readonly at?: readonly string[];
  readonly because?: string;
}

export function rangeCommands(program: Command): void {
  const range = program.command('range').description('split, merge and move ranges of numbers (operator)');
  const because = ['--because <reason>', 'for the journal'] as const;
  asOperator(
    range
      .command('split')
      .description('cut a range in two, or at several places')
      .argument('<range>', 'its id, of `chappe ranges`')
      .option('--at <digits...>', 'where; absent: half of its load is on each side')
      .option(...because),
  )
    .addHelpText('after', examples('chappe range split r3', 'chappe range split r3 --at 336'))
    .action((id: string, options: ReshapeOptions) =>
      reshape([id], options.at ?? [], options.at === undefined, options),
    );
  asOperator(
    range
      .command('merge')
      .description('make one range of several that touch')
      .argument('<ranges...>', 'their ids')
      .option(...because),
  )
    .addHelpText('after', examples('chappe range merge r3 r4'))
    .action((ids: string[], options: ReshapeOptions) => reshape(ids, [], false, options));
  asOperator(
    range
      .command('recut')
      .description('cut ranges that touch elsewhere: move the bound between two')
      .argument('<ranges...>', 'their ids')
      .requiredOption('--at <digits...>', 'where the new ranges begin, but for the first')
      .option(...because),
  )
    .addHelpText('after', examples('chappe range recut r3 r4 --at 338'))
    .action((ids: string[], options: ReshapeOptions) => reshape(ids, options.at ?? [], false, options));
  asOperator(
    range
      .command('cancel')
      .description('take a reshape back, as long as its new ranges take no messages')
      .argument('<reshape>', 'its id, of `chappe reshapes`'),
  ).action(cancel);
  asOperator(
    range
      .command('move')
      .description(
        'give a range to a sender, where it stays as long as the sender does, until --undo; or its rows to a store',
      )
      .argument('<range>', 'its id')
      .option('--to <shard>', 'the sender, of `chappe shards`')
      .option(
        '--to-store <store>',
        'the database, of `chappe stores`: the rows are copied, and its messages wait meanwhile',
      )
      .option(...because)
      .option('--undo', "where it is is the coordinator's to say again"),
  )
    .addHelpText(
      'after',
      examples(
        'chappe range move r3 --to sender-b1',
        'chappe range move r3 --undo',
        'chappe range move r3 --to-store second',
      ),
    )
    .action(move);
  asOperator(
    program.command('reshapes').description('splits and merges that go on, and those of the last hour (operator)'),
  ).action(list);
  asOperator(
    program
      .command('journal')
      .description('what the coordinator did and why (operator)')
      .option('--limit <lines>', 'the last so many, at most 1,000', readWholeNumber, 100),
  ).action(journal);
}

async function reshape(
  ranges: readonly string[],
  cuts: readonly string[],
  atMiddle: boolean,
  options: ReshapeOptions,
  store = '',
): Promise<void> {
  await withOperator(options, async (client) => {
    const request = { ranges: [...ranges], cuts: [...cuts], atMiddle, reason: options.because ?? '', store };
    const { reshape: requested } = await client.cluster.reshapeRanges(request);
    if (requested !== undefined) await follow(client, requested, options);
  });
}

async function cancel(id: string, options: OperatorOptions): Promise<void> {
  await withOperator(options, async (client) => {
    const { reshape: cancelled } = await client.cluster.cancelReshape({ id });
    if (cancelled !== undefined) await follow(client, cancelled, options, 'undone');
  });
}

/** Says each step as it comes, until the last one. */
async function follow(
  { cluster }: AdminClient,
  from: Reshape,
  options: OperatorOptions,
  wanted: 'active' | 'undone' = 'active',
): Promise<void> {
  const endMs = performance.now() + followMsMax;
  let [last, said] = [from, ''];
  for (;;) {
    if (last.step !== said) note(sentenceOf(last));
    said = last.step;
    if (isEnded(last)) break;
    if (performance.now() > endMs) {
      note(`it goes on without us; \`chappe reshapes\` says how far it is`);
      break;
    }
    await pause(lookMs);
    last = (await cluster.listReshapes({})).reshapes.find(({ id }) => id === from.id) ?? last;
  }
  const isTakenBack = wanted === 'undone' && (last.step === 'undone' || last.step === 'refused');
  if (last.step !== wanted && !isTakenBack) process.exitCode = ExitCode.failed;
  if (options.json === true) printMessage(options, ReshapeSchema, last, sentenceOf);
}

function isEnded({ step }: Reshape): boolean {
  return step === 'active' || step === 'refused' || step === 'undone';
}

function sentenceOf({ id, step, oldRanges, newRanges, problem, store }: Reshape): string {
  const [old, made] = [oldRanges.join(', '), newRanges.join(', ')];
  switch (step) {
    case 'requested':
      return `${id}: wanted`;
    case 'prepared':
      return `${id}: ${made} are to replace ${old}`;
    case 'sealing':
      return `${id}: ${old} is closed${problem === '' ? '' : `: ${problem}`}`;
    case 'open':
      return `${id}: messages go to ${made}; ${old} is worked off${store === '' ? '' : `, and its rows are copied to ${store}`}`;
    case 'active':
      return `${id}: done, ${made} are worked on`;
    default:
      return `${id}: ${step}: ${problem}`;
  }
}

async function move(
  range: string,
  options: ReshapeOptions & { readonly to?: string; readonly toStore?: string; readonly undo?: boolean },
): Promise<void> {
  if (options.toStore !== undefined) {
    if (options.to !== undefined || options.undo === true)
      throw new ChappeError(
        'parameterInvalid',
        '--to-store goes neither with --to nor with --undo: one after the other',
      );
    await reshape([range], [], false, options, options.toStore);
    return;
  }
  await withOperator(options, async ({ cluster }) => {
    await cluster.moveRange({ range, shard: options.to ?? '', undo: options.undo === true });
    if (options.undo === true) {
      note(`where ${range} is, the coordinator says again`);
      return;
    }
    const endMs = performance.now() + followMsMax;
    for (;;) {
      const found = (await cluster.listRanges({})).ranges.find(({ id }) => id === range);
      if (found !== undefined && found.owner === options.to && found.problem === '') {
        note(`${range} is with ${options.to}, and stays there until \`chappe range move ${range} --undo\``);
        return;
      }
      if (performance.now() > endMs) {
        note(`${range} is not there yet: ${found?.problem || 'is there a coordinator?'}`);
        process.exitCode = ExitCode.failed;
        return;
      }
      await pause(lookMs);
    }
  });
}

async function list(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, ({ cluster }) => cluster.listReshapes({}));
  printMessage(options, ListReshapesResponseSchema, response, ({ reshapes }) =>
    reshapes.length === 0 ? 'no range is being replaced' : reshapeTable(reshapes),
  );
}

function reshapeTable(reshapes: readonly Reshape[]): string {
  return formatTable(
    [
      { title: 'RESHAPE' },
      { title: 'SINCE' },
      { title: 'OLD' },
      { title: 'NEW' },
      { title: 'CUT AT' },
      { title: 'STEP' },
      { title: 'WHY' },
    ],
    reshapes.map(({ id, since, oldRanges, newRanges, cuts, step, problem, reason, store }) => [
      id,
      timeOf(since),
      oldRanges.join(' '),
      newRanges.join(' ') || '-',
      cuts.map((cut) => `+${cut}`).join(' ') || (store === '' ? '-' : `to ${store}`),
      problem === '' ? step : `${step}: ${problem}`,
      reason,
    ]),
  );
}

async function journal(options: OperatorOptions & { readonly limit: number }): Promise<void> {
  const response = await withOperator(options, ({ cluster }) => cluster.listJournal({ limit: options.limit }));
  printMessage(options, ListJournalResponseSchema, response, ({ lines }) =>
    lines.length === 0 ? 'nothing was done yet' : lines.map(({ time, text }) => `${timeOf(time)}  ${text}`).join('\n'),
  );
}

function timeOf(time: Timestamp | undefined): string {
  return time === undefined ? '-' : timestampDate(time).toISOString().replace('T', ' ').slice(0, 23);
}
