/** `chappe message` and `chappe cancel`: one message's timeline, and asking that it not be shown. */
import { GetResponseSchema } from '@chappe/proto/v1/message_service';
import type { Command } from 'commander';
import { withBusiness } from '../connect.ts';
import { describeEvent } from '../describe-event.ts';
import { formatError, formatState, formatTime } from '../format.ts';
import { asBusiness, type BusinessOptions } from '../options.ts';
import { print, printJson, printMessage } from '../output.ts';
import { formatFields, formatTable } from '../table.ts';

export function messageCommands(program: Command): void {
  asBusiness(program.command('message').description('one message with its whole timeline'))
    .argument('<id>', 'as `chappe send` printed it')
    .action(message);

  asBusiness(
    program.command('cancel').description('ask that a message not be shown; works until a device has been handed it'),
  )
    .argument('<id>')
    .action(cancel);
}

async function message(messageId: string, options: BusinessOptions): Promise<void> {
  const response = await withBusiness(options, (client) => client.messages.get(messageId));
  printMessage(options, GetResponseSchema, response, (found) =>
    [
      formatFields([
        ['message', found.messageId],
        ['from', found.from],
        ['to', found.to],
        ['state', [formatState(found.state), formatError(found.error)].filter((part) => part !== '').join(': ')],
        ['accepted', formatTime(found.acceptedAt)],
      ]),
      formatTable(
        [{ title: 'TIME' }, { title: 'WHAT' }],
        found.timeline.map((event) => [formatTime(event.time), describeEvent(event)]),
      ),
    ].join('\n\n'),
  );
}

async function cancel(messageId: string, options: BusinessOptions): Promise<void> {
  await withBusiness(options, (client) => client.messages.cancel(messageId));
  if (options.json === true) printJson({ cancelRequested: messageId });
  else print(`asked; \`chappe message ${messageId}\` says whether it came in time`);
}
