/** `chappe quote`, `ledger` and `statement`: what messages cost and cost so far. */
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  GetStatementResponseSchema,
  ListLedgerResponseSchema,
  QuoteResponseSchema,
} from '@chappe/proto/v1/billing_service';
import { Category } from '@chappe/proto/v1/template_service';
import { type Command, Option } from 'commander';
import { withBusiness } from '../connect.ts';
import { formatCount, formatMoney, formatTime } from '../format.ts';
import { asBusiness, examples, readTime, readWholeNumber, type BusinessOptions } from '../options.ts';
import { printMessage } from '../output.ts';
import { formatFields, formatTable } from '../table.ts';

type CategoryName = 'utility' | 'marketing' | 'authentication' | 'reply';

export function billingCommands(program: Command): void {
  asBusiness(program.command('quote').description('what a message to a number would cost now'))
    .argument('<number>', 'E.164')
    .option('--from <number>', "absent: the business's first number")
    .addOption(
      new Option('--category <category>', 'of the template, or a reply in free text')
        .choices(['utility', 'marketing', 'authentication', 'reply'])
        .default('utility'),
    )
    .addHelpText('after', examples('chappe quote +33612345678', 'chappe quote +33612345678 --category reply'))
    .action(quote);

  asBusiness(program.command('ledger').description('what was charged, an entry for each message'))
    .option('--after <no>', 'entries after this number', readWholeNumber, 0)
    .option('--limit <n>', 'at most so many, up to 1,000', readWholeNumber, 100)
    .action(ledger);

  asBusiness(program.command('statement').description('totals by country and category'))
    .option('--from <time>', 'inclusive; absent: from the first entry', readTime)
    .option('--to <time>', 'exclusive; absent: up to now', readTime)
    .addHelpText('after', examples('chappe statement --from 2026-02-01 --to 2026-03-01'))
    .action(statement);
}

async function quote(
  to: string,
  options: BusinessOptions & { readonly category: CategoryName; readonly from?: string },
): Promise<void> {
  const category = {
    utility: Category.UTILITY,
    marketing: Category.MARKETING,
    authentication: Category.AUTHENTICATION,
    reply: Category.UNSPECIFIED,
  }[options.category];
  const response = await withBusiness(options, (client) =>
    client.billing.quote({ to, from: options.from ?? '', category }),
  );
  printMessage(options, QuoteResponseSchema, response, (answer) =>
    formatFields([
      ['price', formatMoney(answer.price)],
      ['country', answer.country],
      ['category', answer.category],
      ['window', answer.windowOpen ? 'open' : 'closed'],
      ['price book', answer.priceBook],
      ['holds while', answer.assumption],
    ]),
  );
}

async function ledger(options: BusinessOptions & { readonly after: number; readonly limit: number }): Promise<void> {
  const response = await withBusiness(options, (client) =>
    client.billing.listLedger({ after: BigInt(options.after), limit: options.limit }),
  );
  printMessage(options, ListLedgerResponseSchema, response, ({ entries }) =>
    formatTable(
      [
        { title: 'NO', align: 'right' },
        { title: 'TIME' },
        { title: 'MESSAGE' },
        { title: 'COUNTRY' },
        { title: 'CATEGORY' },
        { title: 'WINDOW' },
        { title: 'AMOUNT', align: 'right' },
      ],
      entries.map((entry) => [
        String(entry.no),
        formatTime(entry.time),
        entry.messageId,
        entry.country,
        entry.category,
        entry.windowOpen ? 'open' : 'closed',
        formatMoney(entry.amount),
      ]),
    ),
  );
}

async function statement(options: BusinessOptions & { readonly from?: Date; readonly to?: Date }): Promise<void> {
  const response = await withBusiness(options, (client) =>
    client.billing.getStatement({
      ...(options.from === undefined ? {} : { from: timestampFromDate(options.from) }),
      ...(options.to === undefined ? {} : { to: timestampFromDate(options.to) }),
    }),
  );
  printMessage(options, GetStatementResponseSchema, response, ({ lines, total, reserved }) =>
    [
      formatTable(
        [
          { title: 'COUNTRY' },
          { title: 'CATEGORY' },
          { title: 'CHARGED', align: 'right' },
          { title: 'FREE', align: 'right' },
          { title: 'AMOUNT', align: 'right' },
        ],
        lines.map((line) => [
          line.country,
          line.category,
          formatCount(line.charged),
          formatCount(line.free),
          formatMoney(line.amount),
        ]),
      ),
      formatFields([
        ['total', formatMoney(total)],
        ['still to be charged at most', formatMoney(reserved)],
      ]),
    ].join('\n\n'),
  );
}
