/** What a person types at the handset: a reply, or a command that begins with `/`. */

export type PhoneInput =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'reply'; readonly text: string }
  | { readonly kind: 'to'; readonly number: string }
  | { readonly kind: 'block' | 'unblock'; readonly number: string | undefined }
  | { readonly kind: 'read' | 'link' | 'help' }
  | { readonly kind: 'quit' }
  | { readonly kind: 'unknown'; readonly command: string };

export const phoneHelp = [
  'Type a line to reply to the business that wrote last. A line that begins with // is a reply that begins with /.',
  '  /to NUMBER         reply to this business from now on',
  '  /read              send read receipts for what was shown (needed with --read manual)',
  '  /block [NUMBER]    block the business; /unblock ends that',
  '  /link              a code with which a further device registers: chappe phone NUMBER --link CODE',
  '  /quit              end; the state stays',
].join('\n');

export function parsePhoneInput(line: string): PhoneInput {
  const text = line.trim();
  if (text === '') return { kind: 'nothing' };
  if (text.startsWith('//')) return { kind: 'reply', text: text.slice(1) };
  if (!text.startsWith('/')) return { kind: 'reply', text };
  const [command = '', argument] = text.slice(1).split(/\s+/, 2);
  switch (command) {
    case 'to':
      return argument === undefined
        ? { kind: 'unknown', command: 'to without a number' }
        : { kind: 'to', number: argument };
    case 'block':
    case 'unblock':
      return { kind: command, number: argument };
    case 'read':
    case 'link':
    case 'help':
    case 'quit':
      return { kind: command };
    default:
      return { kind: 'unknown', command };
  }
}
