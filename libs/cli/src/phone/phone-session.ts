/**
 * A handset between a person, or a script, and the node: what arrives is printed, what is typed is done.
 * One line of input is done before the next is read, so a script's commands keep their order.
 */
import { createInterface, type Interface } from 'node:readline';
import { toChappeError } from '@chappe/errors/chappe-error';
import type { HandsetEnd } from '@chappe/handset/connection';
import { Handset } from '@chappe/handset/handset';
import type { HandsetState } from '@chappe/handset/handset-state';
import { shownMessages, type ShownMessage } from '@chappe/handset/shown-message';
import type { Channel } from '@chappe/rpc/client';
import { describeFailure, formatFailure } from '../failure.ts';
import { note, print } from '../output.ts';
import { onStopSignal } from '../stop-signal.ts';
import { parsePhoneInput, phoneHelp, type PhoneInput } from './phone-input.ts';
import { formatShown } from './show-message.ts';

export interface PhoneSession {
  readonly channel: Channel;
  readonly state: HandsetState;
  readonly isJson: boolean;
  readonly isReadAtOnce: boolean;
  /** Ends after so many messages. */
  readonly untilShown: number;
}

export async function runPhone(session: PhoneSession): Promise<HandsetEnd> {
  const { isJson, isReadAtOnce, untilShown } = session;
  const done = Promise.withResolvers<'done'>();
  let unread: string[] = [];
  let shown = 0;
  let partner = [...shownMessages(session.state)].at(-1)?.from;

  await using handset = new Handset({
    channel: session.channel,
    state: session.state,
    listener: {
      onMessage(message) {
        partner = message.from;
        say({ kind: 'message', ...jsonOf(message) }, formatShown(message));
        unread.push(message.messageId);
        shown += 1;
        if (isReadAtOnce) void sendReads();
        else if (shown >= untilShown) done.resolve('done');
      },
      onConnected: () => say({ kind: 'connected' }, 'connected'),
      onDisconnected: (error) => {
        const why = error === undefined ? undefined : describeFailure(error);
        const text = why === undefined ? '' : `: ${why.detail} (${why.todo ?? why.title})`;
        say({ kind: 'disconnected', detail: why?.detail ?? '' }, `disconnected${text}; trying again`);
      },
      onConfirmed: (id) => say({ kind: 'confirmed', id }, undefined),
      onReceived: (id) => say({ kind: 'received', id }, undefined),
      onRefused: (id, error) =>
        say(
          { kind: 'refused', id, code: error.entry.code, detail: error.message },
          formatFailure(describeFailure(error)),
        ),
    },
  });
  const ended = handset.connect();
  const terminal = openTerminal(isJson);
  using _ = onStopSignal(() => done.resolve('done'));
  terminal.once('SIGINT', () => done.resolve('done'));
  if (!isJson) print('Messages appear here; /help lists the commands.');
  const typed = readCommands();
  try {
    const end = await Promise.race([ended, done.promise, typed]);
    return end === 'removed' ? 'removed' : 'closed';
  } finally {
    terminal.close();
  }

  function say(json: object, text: string | undefined): void {
    if (isJson) print(JSON.stringify(json));
    else if (text !== undefined) printAbove(terminal, text);
  }

  async function sendReads(): Promise<void> {
    const ids = unread;
    unread = [];
    if (ids.length > 0) await attempt(() => handset.read(ids));
    if (shown >= untilShown) done.resolve('done');
  }

  async function readCommands(): Promise<HandsetEnd> {
    for await (const line of terminal) {
      const input = parsePhoneInput(line);
      if (input.kind === 'quit') return 'closed';
      await attempt(() => act(input));
      if (!isJson) terminal.prompt();
    }
    // A script's input may end before its messages come; a person who ends it leaves.
    return isJson ? await ended : 'closed';
  }

  async function act(input: Exclude<PhoneInput, { kind: 'quit' }>): Promise<void> {
    switch (input.kind) {
      case 'nothing':
        return;
      case 'help':
        return note(phoneHelp);
      case 'unknown':
        return note(`unknown command: ${input.command}; /help lists them`);
      case 'to':
        partner = input.number;
        return;
      case 'read':
        return sendReads();
      case 'link': {
        const code = await handset.createLinkCode();
        return say({ kind: 'link', code }, `link code ${code}: chappe phone +${handset.account.number} --link ${code}`);
      }
      case 'reply': {
        if (partner === undefined) return note('nobody has written yet; /to NUMBER says whom to write to');
        const id = await handset.reply(partner, input.text);
        return say({ kind: 'replied', id, to: partner }, undefined);
      }
      case 'block':
      case 'unblock': {
        const number = input.number ?? partner;
        if (number === undefined) return note(`/${input.kind} NUMBER`);
        const id = await handset.block(number, input.kind === 'block');
        return say({ kind: `${input.kind}ed`, id, number }, `${input.kind}ed ${number}`);
      }
    }
  }

  async function attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const failure = describeFailure(toChappeError(error));
      say({ kind: 'error', code: failure.code, detail: failure.detail }, formatFailure(failure));
    }
  }
}

function openTerminal(isJson: boolean): Interface {
  if (isJson) return createInterface({ input: process.stdin });
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  terminal.prompt();
  return terminal;
}

/** Above the line that is being typed. */
function printAbove(terminal: Interface, text: string): void {
  if (process.stdout.isTTY) process.stdout.write('\r\u001B[K');
  print(text);
  terminal.prompt(true);
}

function jsonOf({ messageId, from, shownAtMs, message }: ShownMessage): object {
  const { header, body, footer, code, language, template } = message;
  return {
    messageId,
    from: `+${from}`,
    shownAt: new Date(shownAtMs).toISOString(),
    header,
    body,
    footer,
    code,
    language,
    template,
  };
}
