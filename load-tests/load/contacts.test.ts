import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePhoneNumber } from '@chappe/numbers/phone-number';
import { boundsFor, numberAt, placeOf } from './contacts.ts';

/** Every place of the first thousand, and then some as far as a run goes. */
const places = [...Array(1_000).keys(), 9_999, 54_321, 99_999, 999_999];

describe('the people of a load test', () => {
  test('have valid numbers of their own, from which their place can be read', () => {
    const numbers = places.map(numberAt);
    assert.equal(new Set(numbers).size, places.length);
    for (const number of numbers) assert.equal(`+${parsePhoneNumber(number).number}`, number);
    assert.deepEqual(numbers.map(placeOf), places);
    assert.ok(Number.isNaN(placeOf('+33123456789')));
  });

  test('are in equal shares in every number of ranges', () => {
    for (const count of [1, 2, 4, 8, 16] as const) {
      const bounds = boundsFor(count)
        .split(',')
        .filter((bound) => bound !== '');
      assert.equal(bounds.length, count - 1);
      assert.deepEqual(bounds.toSorted(), bounds);
      const inRange = Array.from({ length: count }, () => 0);
      for (let place = 0; place < 1_600; place += 1) {
        const digits = numberAt(place).slice(1);
        const range = bounds.filter((bound) => bound <= digits).length;
        inRange[range] = (inRange[range] ?? 0) + 1;
      }
      assert.deepEqual(new Set(inRange), new Set([1_600 / count]));
    }
  });
});
