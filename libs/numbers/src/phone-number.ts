/**
 * Phone numbers: E.164 digits without `+`, as every part of Chappe holds them, and their order.
 *
 * Numbers and the bounds of ranges are compared as plain strings, digit by digit from the left
 * (UTF-16 order, which `<` uses), so that `336` covers every number that begins with 336. The
 * lower bound of everything is `''`; the upper one is `endOfNumbers`.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { numberTextCharactersMax, rememberedNumbersMax } from './limits.ts';

declare const phoneNumber: unique symbol;

/** E.164 digits without `+`, e.g. `33612345678`. */
export type PhoneNumber = string & { readonly [phoneNumber]: true };

export interface ParsedPhoneNumber {
  readonly number: PhoneNumber;
  /** ISO 3166-1 alpha-2; `ZZ` for numbers of no country (satellites, international toll-free). */
  readonly country: string;
}

/** The first string after every string of digits: `:` follows `9`. The end of the last range. */
export const endOfNumbers = ':';

const written = /^\+?[\d\s().\-/]+$/;
const shape = /^[1-9]\d{6,14}$/;
const remembered = new Map<string, ParsedPhoneNumber>();

/**
 * A number as people write it, with its country code: `+33 6 12 34 56 78`, `33612345678`.
 *
 * @throws ChappeError `userInvalid` if it is not valid by its country's numbering plan
 */
export function parsePhoneNumber(text: string): ParsedPhoneNumber {
  const known = remembered.get(text);
  if (known !== undefined) {
    // Last used, last forgotten: a Map iterates in the order of insertion.
    remembered.delete(text);
    remembered.set(text, known);
    return known;
  }
  const parsed = parse(text);
  remembered.set(text, parsed);
  if (remembered.size > rememberedNumbersMax) {
    const [oldest] = remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
  }
  return parsed;
}

/**
 * Digits that Chappe itself wrote down, checked for their shape only.
 *
 * @throws ChappeError `userInvalid`
 */
export function phoneNumberFromDigits(digits: string): PhoneNumber {
  if (!hasShape(digits)) throw invalid('7 to 15 digits with the country code and without + are expected');
  return digits;
}

/** As the public API and the screen show it, e.g. `+33612345678`. */
export function display(number: PhoneNumber): string {
  return `+${number}`;
}

/** The order of numbers and bounds: negative if `a` is first. */
export function compareBounds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Whether a number lies in [start, end). */
export function inInterval(number: string, start: string, end: string): boolean {
  return start <= number && number < end;
}

function parse(text: string): ParsedPhoneNumber {
  const trimmed = text.trim();
  if (trimmed.length > numberTextCharactersMax || !written.test(trimmed)) {
    throw invalid('only digits, spaces and ( ) . - / after an optional + are allowed');
  }
  if (/^\+?0/.test(trimmed)) throw invalid('it begins with 0');
  const parsed = parsePhoneNumberFromString(trimmed.startsWith('+') ? trimmed : `+${trimmed}`);
  if (parsed === undefined) throw invalid('it has no known country code');
  if (!parsed.isValid()) throw invalid(`no such number exists in the numbering plan of +${parsed.countryCallingCode}`);
  return Object.freeze({
    number: phoneNumberFromDigits(parsed.number.slice(1)),
    country: parsed.country === undefined || !/^[A-Z]{2}$/.test(parsed.country) ? 'ZZ' : parsed.country,
  });
}

function hasShape(digits: string): digits is PhoneNumber {
  return shape.test(digits);
}

function invalid(problem: string): ChappeError {
  const detail = `not a phone number: ${problem}. Write it with its country code, e.g. +33612345678`;
  return new ChappeError('userInvalid', detail);
}
