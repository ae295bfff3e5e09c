import { ChappeError } from '@chappe/errors/chappe-error';
import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compareBounds,
  display,
  endOfNumbers,
  inInterval,
  parsePhoneNumber,
  phoneNumberFromDigits,
} from '../src/phone-number.ts';

const digits = fc.stringMatching(/^[0-9]{0,16}$/);

test('a number is read with and without plus, spaces and separators', () => {
  for (const text of ['+33612345678', '33612345678', '+33 6 12 34 56 78', ' +33 6.12-34 (56) 78 ']) {
    assert.deepEqual(parsePhoneNumber(text), { number: '33612345678', country: 'FR' });
  }
});

test('numbers of one country code belong to the right country of several', () => {
  assert.equal(parsePhoneNumber('+12125550123').country, 'US');
  assert.equal(parsePhoneNumber('+14165550123').country, 'CA');
  assert.equal(parsePhoneNumber('+447400123456').country, 'GB');
});

test('a number of no country has the country ZZ', () => {
  assert.equal(parsePhoneNumber('+80012345678').country, 'ZZ');
});

test('what is not a number is refused without being repeated in the error', () => {
  for (const text of [
    '',
    'hello',
    '0612345678',
    '0033612345678',
    '+336123',
    '+999123456789',
    '+3361234567890',
    '+33612345678;ext=1',
    '1'.repeat(50),
  ]) {
    assert.throws(
      () => parsePhoneNumber(text),
      (error) =>
        error instanceof ChappeError &&
        error.reason === 'userInvalid' &&
        (text.length < 8 || !error.message.includes(text)),
    );
  }
});

test('a number read once is read again to the same result, also after many others', () => {
  const first = parsePhoneNumber('+33612345678');
  for (let index = 0; index < 100; index += 1) parsePhoneNumber(`+3361234${String(5000 + index)}`);
  assert.deepEqual(parsePhoneNumber('+33612345678'), first);
});

test('digits from inside are checked for their shape', () => {
  assert.equal(display(phoneNumberFromDigits('33612345678')), '+33612345678');
  for (const wrong of ['', '+33612345678', '012345678', '123456', '1234567890123456', '33a']) {
    assert.throws(() => phoneNumberFromDigits(wrong), ChappeError);
  }
});

test('every string of digits is before the end of numbers and not before the empty string', () => {
  fc.assert(fc.property(digits, (number) => inInterval(number, '', endOfNumbers)));
});

test('the order of bounds is the order of their digits from the left', () => {
  fc.assert(fc.property(digits, digits, (a, b) => compareBounds(a, b) === orderByDigits(a, b)));
});

test('an interval holds exactly the numbers that begin with its prefix', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-8]{1,3}$/), digits, (prefix, number) => {
      const next = prefix.slice(0, -1) + String(Number(prefix.at(-1)) + 1);
      return inInterval(number, prefix, next) === number.startsWith(prefix);
    }),
  );
});

function orderByDigits(a: string, b: string): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const left = index < a.length ? Number(a[index]) : -1;
    const right = index < b.length ? Number(b[index]) : -1;
    if (left !== right) return Math.sign(left - right);
  }
  return 0;
}
