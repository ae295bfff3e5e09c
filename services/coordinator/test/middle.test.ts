import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import fc from 'fast-check';
import { middleOfDigits } from '../src/middle.ts';

test('the middle of an interval lies strictly inside it, and is as short as can be', () => {
  const digits = fc.stringMatching(/^[0-9]{0,12}$/);
  fc.assert(
    fc.property(digits, fc.oneof(digits, fc.constant(endOfNumbers)), (a, b) => {
      const [start, end] = a < b ? [a, b] : [b, a];
      if (start === end || end === '') return;
      const middle = middleOfDigits(start, end);
      // Between a bound and the same with zeros behind it there is nothing that is shorter than a number.
      if (middle !== undefined) assert.ok(middle > start && middle < end, `${start} < ${middle} < ${end}`);
    }),
  );
  assert.equal(middleOfDigits('', endOfNumbers), '5');
  assert.equal(middleOfDigits('3', '4'), '35');
  assert.equal(middleOfDigits('33', '34'), '335');
  assert.equal(middleOfDigits('336', endOfNumbers), '6');
});
