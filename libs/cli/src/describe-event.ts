/** An event as one line for people. */
import type { Event } from '@chappe/proto/v1/event';
import { formatError, formatMoney, formatOptIn, formatState, formatTime } from './format.ts';

/** What happened, without time and contact. */
export function describeEvent({ kind }: Event): string {
  switch (kind.case) {
    case 'state': {
      const { state, error, pricing } = kind.value;
      const price =
        pricing === undefined
          ? ''
          : `${pricing.country} ${pricing.category}, ${formatMoney(pricing.price)}${pricing.windowOpen ? ', in the window' : ''}`;
      return [formatState(state), formatError(error), price].filter((part) => part !== '').join('  ');
    }
    case 'received':
      return `received  ${JSON.stringify(kind.value.text)}`;
    case 'optIn':
      return `${formatOptIn(kind.value.state)}  by ${kind.value.cause.replace('_', ' ')}`;
    case 'block':
      return kind.value.blocked ? 'blocked' : 'unblocked';
    case 'identity':
      return `identity changed  policy ${kind.value.policy}`;
    case undefined:
      return 'an event of a newer version; `--json` shows it';
  }
}

/** Which message an event is about; empty when about none. */
function messageIdOf({ kind }: Event): string {
  return kind.case === 'state' || kind.case === 'received' ? kind.value.messageId : '';
}

export function eventLine(event: Event): string {
  return [formatTime(event.time), event.contact.padEnd(16), messageIdOf(event), describeEvent(event)]
    .filter((part) => part !== '')
    .join('  ');
}
