/** `chappe phone`: a handset in the terminal. */
import { join } from 'node:path';
import { openHandsetFile } from '@chappe/handset/handset-file';
import { registerHandset, requestCode } from '@chappe/handset/register';
import { findAccount } from '@chappe/handset/account';
import type { HandsetState } from '@chappe/handset/handset-state';
import { display, parsePhoneNumber } from '@chappe/numbers/phone-number';
import type { Channel } from '@chappe/rpc/client';
import { type Command, Option } from 'commander';
import { connectDevice } from '../connect.ts';
import { ExitCode } from '../exit-code.ts';
import { examples, readWholeNumber, withData, type ConnectionOptions } from '../options.ts';
import { note } from '../output.ts';
import { runPhone } from '../phone/phone-session.ts';
import { findCode } from '../phone/registration-code.ts';
import { withTls } from '../tls.ts';

interface PhoneOptions extends ConnectionOptions {
  readonly link?: string;
  readonly code?: string;
  readonly name?: string;
  readonly read: 'auto' | 'manual';
  readonly untilShown?: number;
}

export function phoneCommand(program: Command): void {
  const command = program.command('phone').description('be a handset: shows messages, sends receipts, replies, blocks');
  withTls(withData(command).option('--address <host:port>', 'where handsets connect [CHAPPE_DEVICE_ADDRESS]'))
    .argument('<number>', 'E.164')
    .option('--code <digits>', 'the one-time code; absent: read from the data folder, or asked for')
    .option('--link <code>', 'become a further device of this number; /link on the first one prints the code')
    .option(
      '--name <name>',
      'which of your devices this is: each has its own state (default: "phone", with --link "linked")',
    )
    .addOption(new Option('--read <when>', 'when read receipts are sent').choices(['auto', 'manual']).default('auto'))
    .option('--until-shown <n>', 'end after so many messages', readWholeNumber)
    .option('--json', 'print JSON lines; the same commands are read from standard input')
    .addHelpText(
      'after',
      examples('chappe phone +33612345678', 'chappe phone +33612345678 --link K3F9-2M7Q --name tablet'),
    )
    .action(phone);
}

async function phone(numberText: string, options: PhoneOptions): Promise<void> {
  const { number } = parsePhoneNumber(numberText);
  const name = options.name ?? (options.link === undefined ? 'phone' : 'linked');
  const path = join(options.data, 'phones', `${number}-${name.replaceAll(/[^\w-]/g, '_')}.sqlite`);
  using state = openHandsetFile(path);
  using channel = connectDevice(options);
  await registerOnce(channel, state, display(number), options);
  const end = await runPhone({
    channel,
    state,
    isJson: options.json === true,
    isReadAtOnce: options.read === 'auto',
    untilShown: options.untilShown ?? Number.POSITIVE_INFINITY,
  });
  if (end === 'removed') {
    note(
      `This device is no longer one of ${display(number)}: the number was registered anew. Remove ${path} to register it here again.`,
    );
    process.exitCode = ExitCode.failed;
  }
}

async function registerOnce(
  channel: Channel,
  state: HandsetState,
  number: string,
  options: PhoneOptions,
): Promise<void> {
  if (findAccount(state) !== undefined) return;
  if (options.link !== undefined) {
    await registerHandset({ channel, number, state, proof: { linkCode: options.link } });
  } else if (options.code !== undefined) {
    await registerHandset({ channel, number, state, proof: { code: options.code } });
  } else {
    await requestCode(channel, number);
    await registerHandset({ channel, number, state, proof: { code: await findCode(options.data, number) } });
  }
  note(`registered ${number}`);
}
