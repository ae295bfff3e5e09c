/** `chappe send`: one message, or one for each row of a file. */
import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { SendResponseSchema, type SendRequestSchema } from '@chappe/proto/v1/message_service';
import type { Command } from 'commander';
import { apiKey, connectBusiness, withBusiness } from '../connect.ts';
import { ExitCode } from '../exit-code.ts';
import { UsageError } from '../failure.ts';
import { formatCount } from '../format.ts';
import { namedProblemsMax } from '../limits.ts';
import { asBusiness, examples, readParameter, type BusinessOptions } from '../options.ts';
import { note, print, printJson, printMessage } from '../output.ts';
import { formatBar, openProgress } from '../progress.ts';
import { sendFile, type FileTotals } from '../send-file.ts';
import { SentJournal } from '../sent-journal.ts';
import { onStopSignal } from '../stop-signal.ts';
import { readTemplateParameters } from '../template-catalogue.ts';

interface SendOptions extends BusinessOptions {
  readonly to?: string;
  readonly from?: string;
  readonly template?: string;
  readonly language: string;
  readonly param: Readonly<Record<string, string>>;
  readonly text?: string;
  readonly key?: string;
  readonly echo?: string;
  readonly file?: string;
  readonly strictLanguage?: boolean;
}

export function sendCommand(program: Command): void {
  asBusiness(program.command('send').description('send one message, or one for each row of a file'))
    .option('--to <number>', 'E.164')
    .option('--from <number>', "absent: the business's first number")
    .option('--template <name>', 'for --file absent: the column `template`')
    .option('--language <code>', 'BCP 47; with --file for rows without one', 'en')
    .option(
      '--strict-language',
      'refuse a language that the template lacks; without it: its base language, then the default of the business',
    )
    .option('--param <name=value>', "a template's parameter; once for each", readParameter, {})
    .option('--text <text>', 'free text: a reply, to a person who wrote')
    .option('--key <key>', 'idempotency key: the same key is sent once')
    .option('--echo <text>', 'comes back with each event of the message')
    .option(
      '--file <rows.csv>',
      'columns: to, language and key if you like, one for each parameter; the same file twice sends nothing twice',
    )
    .addHelpText(
      'after',
      examples(
        `chappe send --to +33612345678 --template parcel --language fr --param name=Camille --param when=demain`,
        `chappe send --to +33612345678 --text 'See you at ten.'`,
        'chappe send --file examples/boarding-passes.csv --template boarding_pass',
      ),
    )
    .action(send);
}

async function send(options: SendOptions): Promise<void> {
  if (options.file !== undefined) return sendRows(options.file, options);
  const request = requestOf(options);
  const response = await withBusiness(options, (client) => client.send(request));
  printMessage(
    options,
    SendResponseSchema,
    create(SendResponseSchema, response),
    ({ messageId }) => `accepted ${messageId}`,
  );
}

function requestOf({
  to,
  from = '',
  key = '',
  echo = '',
  text,
  template,
  language,
  param,
  strictLanguage,
}: SendOptions): MessageInitShape<typeof SendRequestSchema> {
  if (to === undefined) throw new UsageError('give --to, or --file');
  if ((text === undefined) === (template === undefined)) throw new UsageError('give either --template or --text');
  const envelope = { to, from, idempotencyKey: key, echo };
  if (text !== undefined) return { ...envelope, content: { case: 'text', value: { text } } };
  const value = { name: template ?? '', language, parameters: { ...param }, languageFallback: strictLanguage !== true };
  return { ...envelope, content: { case: 'template', value } };
}

async function sendRows(path: string, options: SendOptions): Promise<void> {
  if (options.to !== undefined || options.text !== undefined)
    throw new UsageError('--file takes neither --to nor --text');
  const { template, language, from } = options;
  const key = apiKey(options);
  using client = connectBusiness(options);
  const parametersOf = await readTemplateParameters(client, template);
  using journal = new SentJournal(options.data, createHash('sha256').update(key).digest('base64url').slice(0, 16));
  await using stream = client.openSendStream();
  const stopped = new AbortController();
  using _ = onStopSignal(() => stopped.abort());
  using progress = openProgress(options.json === true);

  const startedMs = performance.now();
  const totals = await sendFile({
    path,
    rules: {
      language,
      isStrict: options.strictLanguage === true,
      parametersOf,
      ...(template === undefined ? {} : { template }),
      ...(from === undefined ? {} : { from }),
    },
    stream,
    journal,
    onProblem: (line, reason) => progress.note(`${path}:${line}: ${reason}`),
    onProgress: (now) => progress.update(() => progressLine(now, performance.now() - startedMs)),
    signal: stopped.signal,
  });
  progress.clear();
  report(path, totals, stopped.signal.aborted, options);
}

function progressLine(totals: FileTotals, elapsedMs: number): string {
  const answered = totals.accepted + totals.repeated + totals.refused + totals.malformed;
  const perSecond = Math.round(answered / Math.max(0.001, elapsedMs / 1_000));
  return `${formatBar(totals.bytesRead, totals.fileBytes)}  ${summary(totals)}  ${formatCount(perSecond)}/s`;
}

function summary({ accepted, repeated, refused, malformed }: FileTotals): string {
  const failed =
    refused + malformed === 0 ? '' : `, ${formatCount(refused)} refused, ${formatCount(malformed)} malformed`;
  return `${formatCount(accepted)} accepted, ${formatCount(repeated)} sent before${failed}`;
}

function report(path: string, totals: FileTotals, isStopped: boolean, options: SendOptions): void {
  const { rows, accepted, repeated, refused, malformed } = totals;
  const failed = refused + malformed;
  if (options.json === true) printJson({ rows, accepted, repeated, refused, malformed, complete: !isStopped });
  else print(`${path}: ${formatCount(rows)} rows: ${summary(totals)}`);
  if (failed > namedProblemsMax)
    note(`${formatCount(failed - namedProblemsMax)} further rows failed and are not named`);
  if (isStopped) note('stopped; the same command goes on where it ended, and sends nothing twice');
  if (failed > 0 || isStopped) process.exitCode = ExitCode.failed;
}
