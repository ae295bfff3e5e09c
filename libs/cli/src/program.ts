/** The command line as a whole: every command, and what each says of itself. */
import { Command } from 'commander';
import { billingCommands } from './commands/billing.ts';
import { businessCommand } from './commands/business.ts';
import { clusterCommands } from './commands/cluster.ts';
import { rangeCommands } from './commands/range.ts';
import { storeCommands } from './commands/store.ts';
import { contactCommand } from './commands/contact.ts';
import { demoCommand } from './commands/demo.ts';
import { eventsCommand } from './commands/events.ts';
import { messageCommands } from './commands/message.ts';
import { phoneCommand } from './commands/phone.ts';
import { planCommand } from './commands/plan.ts';
import { sendCommand } from './commands/send.ts';
import { templateCommand } from './commands/template.ts';
import { upCommand } from './commands/up.ts';

export function buildProgram(): Command {
  const program = new Command('chappe')
    .description('End-to-end-encrypted business messages: run a node, send, and be a handset.')
    .showHelpAfterError('(--help shows how)')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .exitOverride()
    .addHelpText('after', '\nExit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody answers (try again).');
  for (const add of commands) add(program);
  inheritSettings(program);
  return program;
}

const commands = [
  upCommand,
  businessCommand,
  templateCommand,
  contactCommand,
  phoneCommand,
  sendCommand,
  eventsCommand,
  messageCommands,
  billingCommands,
  clusterCommands,
  rangeCommands,
  planCommand,
  storeCommands,
  demoCommand,
];

function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}
