/** A message as a handset in the terminal shows it, a QR code included. */
import type { ShownMessage } from '@chappe/handset/shown-message';
import { renderUnicodeCompact } from 'uqr';

export function formatShown({ from, shownAtMs, message }: ShownMessage): string {
  const time = new Date(shownAtMs).toTimeString().slice(0, 5);
  const parts = [
    message.header === '' ? '' : `*${message.header}*`,
    message.body,
    message.footer === '' ? '' : `-- ${message.footer}`,
  ];
  const lines = parts.filter((part) => part !== '').flatMap((part) => visible(part).split('\n'));
  const code = message.code === '' ? [] : ['', ...renderUnicodeCompact(message.code, { border: 2 }).split('\n')];
  return [`+${from}  ${time}`, ...[...lines, ...code].map((line) => `  | ${line}`)].join('\n');
}

/** Without control characters, which could move the cursor or rename the window; line breaks stay. */
function visible(text: string): string {
  return text.replaceAll(/(?!\n)\p{Cc}/gu, '');
}
