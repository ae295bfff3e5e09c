/** Hands the rows of files over, each business on a stream of its own, and tells the tally what it was told. */
import type { SendStream } from '@chappe/client/send-stream';
import { toChappeError } from '@chappe/errors/chappe-error';
import { toRequest, type RowRules } from '../row-request.ts';
import { parametersByTemplate } from '../template-catalogue.ts';
import type { DemoBusiness } from './businesses.ts';
import { placeOf, readDemoRows, validNumber, type DemoFile } from './people.ts';
import type { Tally } from './tally.ts';

export interface SendRows {
  readonly files: readonly DemoFile[];
  readonly businesses: readonly DemoBusiness[];
  readonly leftOut: ReadonlySet<string>;
  readonly tally: Tally;
  readonly onChange: () => void;
  /** Hears of rows that could not be sent. */
  readonly onProblem: (text: string) => void;
  readonly signal: AbortSignal;
}

export async function sendRows({
  files,
  businesses,
  leftOut,
  tally,
  onChange,
  onProblem,
  signal,
}: SendRows): Promise<void> {
  const senders = businesses.map((business) => ({
    business,
    stream: business.client.openSendStream(),
    parametersOf: parametersByTemplate(business.templates),
  }));
  try {
    for await (const demoRow of readDemoRows(files)) {
      if (signal.aborted) return;
      const sender = senders[demoRow.file.business];
      if (sender === undefined) continue;
      const { row, rowNo, file } = demoRow;
      const template =
        file.template ?? (row.kind === 'row' && (row.cells.get('template') ?? '') === '' ? 'note' : undefined);
      const rules: RowRules = {
        language: 'en',
        parametersOf: sender.parametersOf,
        ...(template === undefined ? {} : { template }),
      };
      const outcome = row.kind === 'row' ? toRequest(row, rowNo, rules) : row;
      if (outcome.kind === 'malformed') {
        onProblem(`${placeOf(demoRow)}: ${outcome.reason}`);
        tally.noteRefused('malformed row');
        continue;
      }
      if (leftOut.has(validNumber(outcome.request.to) ?? '')) continue;
      await sender.stream.ready();
      void handOver(sender.stream, sender.business, outcome.request, tally).then(onChange);
    }
    for (const { stream } of senders) await stream.close();
  } finally {
    for (const { stream } of senders) await stream[Symbol.asyncDispose]();
  }
}

/** One message; the tally hears what the business was told. */
export async function handOver(
  stream: Pick<SendStream, 'send'>,
  business: DemoBusiness,
  request: Parameters<SendStream['send']>[0],
  tally: Tally,
): Promise<void> {
  try {
    const { messageId } = await stream.send(request);
    const contact = validNumber(request.to ?? '') ?? '';
    tally.noteAccepted({
      messageId,
      business: business.name,
      number: business.number,
      contact,
      atMs: performance.now(),
    });
  } catch (error) {
    const { entry } = toChappeError(error);
    tally.noteRefused(`${entry.code} ${entry.title}`);
  }
}
