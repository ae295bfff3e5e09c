/** How amounts, times and states are written for people. */
import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { Error as WireError } from '@chappe/proto/v1/errors';
import { MessageState, OptInState } from '@chappe/proto/v1/event';
import type { Money } from '@chappe/proto/v1/money';
import { Category } from '@chappe/proto/v1/template_service';

const microsPerUnit = 1_000_000n;

/** E.g. `0.0740 USD`: four digits, more where the amount has more. */
export function formatMoney(money: Money | undefined): string {
  if (money === undefined || money.currency === '') return '-';
  return `${formatMicros(money.micros)} ${money.currency}`;
}

function formatMicros(micros: bigint): string {
  const sign = micros < 0n ? '-' : '';
  const positive = micros < 0n ? -micros : micros;
  const fraction = (positive % microsPerUnit).toString().padStart(6, '0');
  return `${sign}${positive / microsPerUnit}.${fraction.slice(0, 4)}${fraction.slice(4).replace(/0+$/, '')}`;
}

/** Local time to the millisecond; `-` where there is none. */
export function formatTime(time: Timestamp | undefined): string {
  if (time === undefined) return '-';
  const date = timestampDate(time);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

export function formatState(state: MessageState): string {
  return nameOf(MessageState, state);
}

export function formatOptIn(state: OptInState): string {
  return state === OptInState.UNSPECIFIED ? 'none' : nameOf(OptInState, state).replace('_', ' ');
}

export function formatCategory(category: Category): string {
  return nameOf(Category, category);
}

/** E.g. `3001 No opt-in: the person has not agreed`. */
export function formatError(error: WireError | undefined): string {
  if (error === undefined) return '';
  return `${error.code} ${error.title}${error.detail === '' ? '' : `: ${error.detail}`}`;
}

/** E.g. `12,345`. */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US');
}

/** The name of a value of an enum of the API, in lower case; its number for values of a newer version. */
export function nameOf(names: Readonly<Record<string, number>>, value: number): string {
  const name = Object.keys(names).find((candidate) => names[candidate] === value);
  return name?.toLowerCase() ?? String(value);
}
