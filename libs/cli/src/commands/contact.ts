/** `chappe contact`: what a business may send to whom. */
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { fromWireError } from '@chappe/rpc/status';
import { ContactServiceGetResponseSchema } from '@chappe/proto/v1/contact_service';
import type { Command } from 'commander';
import { withBusiness } from '../connect.ts';
import { UsageError } from '../failure.ts';
import { formatOptIn, formatTime } from '../format.ts';
import { asBusiness, examples, readTime, type BusinessOptions } from '../options.ts';
import { print, printJson, printMessage } from '../output.ts';
import { formatFields } from '../table.ts';

interface OptInOptions extends BusinessOptions {
  readonly source: string;
  readonly wording: string;
  readonly givenAt?: Date;
}

/** Opt-ins a call carries at most (contact_service.proto). */
const optInsPerCallMax = 1_000;

export function contactCommand(program: Command): void {
  const contact = program.command('contact').description('what this business may send to whom');

  asBusiness(contact.command('opt-in').description('record that people agreed to be written to'))
    .argument('<numbers...>', 'E.164')
    .requiredOption('--source <text>', 'where it was given, e.g. "web checkout"')
    .option(
      '--wording <text>',
      'what the person agreed to, word for word',
      'I agree to receive messages about my orders.',
    )
    .option('--given-at <time>', 'when; absent: now', readTime)
    .addHelpText('after', examples(`chappe contact opt-in +33612345678 --source 'web checkout'`))
    .action(optIn);

  asBusiness(contact.command('opt-out').description('record that a person wants no more messages'))
    .argument('<number>', 'E.164')
    .action(optOut);

  asBusiness(contact.command('show').description('what this business knows of a person'))
    .argument('<number>', 'E.164')
    .action(show);

  asBusiness(
    contact.command('acknowledge-identity').description("accept a person's new identity; what was held goes out"),
  )
    .argument('<number>', 'E.164')
    .action(acknowledgeIdentity);
}

async function optIn(numbers: readonly string[], options: OptInOptions): Promise<void> {
  if (numbers.length > optInsPerCallMax) throw new UsageError(`at most ${optInsPerCallMax} numbers at a time`);
  const { source, wording, givenAt } = options;
  const time = givenAt === undefined ? {} : { givenAt: timestampFromDate(givenAt) };
  const { results } = await withBusiness(options, (client) =>
    client.contacts.optIn({ optIns: numbers.map((contact) => ({ contact, source, wording, ...time })) }),
  );
  const refused = results.find(({ error }) => error !== undefined)?.error;
  if (refused !== undefined) throw fromWireError(refused);
  if (options.json === true) printJson({ optedIn: [...numbers] });
  else print(`recorded the opt-in of ${numbers.join(', ')}`);
}

async function optOut(contact: string, options: BusinessOptions): Promise<void> {
  await withBusiness(options, (client) => client.contacts.optOut({ contact }));
  if (options.json === true) printJson({ optedOut: contact });
  else print(`recorded the opt-out of ${contact}`);
}

async function show(contact: string, options: BusinessOptions): Promise<void> {
  const response = await withBusiness(options, (client) => client.contacts.get({ contact }));
  printMessage(options, ContactServiceGetResponseSchema, response, (known) =>
    formatFields([
      ['contact', known.contact],
      ['reachable', known.reachable ? 'yes' : 'no device is registered'],
      ['opt-in', formatOptIn(known.optIn)],
      ['  given', known.optedInAt === undefined ? '-' : `${formatTime(known.optedInAt)}, ${known.optInSource}`],
      ['  wording', known.optInWording || '-'],
      ['blocked', known.blocked ? 'yes' : 'no'],
      ...known.windows.map(({ number, openUntil }) => ['window', `${number} until ${formatTime(openUntil)}`] as const),
      ['waiting', String(known.waiting)],
      [
        'identity',
        known.identityHeld ? 'changed: `chappe contact acknowledge-identity` releases what is held' : 'as known',
      ],
    ]),
  );
}

async function acknowledgeIdentity(contact: string, options: BusinessOptions): Promise<void> {
  await withBusiness(options, (client) => client.contacts.acknowledgeIdentity({ contact }));
  if (options.json === true) printJson({ acknowledged: contact });
  else print(`acknowledged the identity of ${contact}`);
}
