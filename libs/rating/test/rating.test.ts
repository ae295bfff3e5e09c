import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { categories, formatPriceBook, parsePriceBook, PriceBooks } from '../src/price-book.ts';
import { readPriceBooks } from '../src/publish.ts';
import { rate } from '../src/rate.ts';
import { isOpen, windowMs, windowUntil } from '../src/window.ts';

const books = await readPriceBooks();
const times = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2028, 0, 1) });
const facts = fc.record({
  country: fc.constantFrom('FR', 'DE', 'IN', 'ZZ', 'toString'),
  category: fc.constantFrom(...categories),
  windowOpen: fc.boolean(),
  reply: fc.boolean(),
  timeMs: times,
});

test('WINDOW: it is open exactly from the message until 24 h later', () => {
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 3 * windowMs }), (last, after) => {
      assert.equal(isOpen(last, last + after), after < windowMs);
      assert.equal(isOpen(last, last + after), last + after < windowUntil(last));
    }),
  );
  assert.equal(isOpen(undefined, 0), false);
});

test('WINDOW: a later message never closes it earlier', () => {
  fc.assert(
    fc.property(times, fc.nat(windowMs * 2), fc.nat(windowMs * 2), (last, between, after) => {
      const now = last + between + after;
      if (isOpen(last, now)) assert.ok(isOpen(last + between, now));
    }),
  );
});

test('the bundled books have two dates, 60 countries and 0.5 to 9 US cents', () => {
  assert.equal(books.all.length, 2);
  for (const book of books.all) {
    assert.ok(Object.keys(book.countries).length >= 60);
    for (const prices of [book.default, ...Object.values(book.countries)]) {
      for (const micros of Object.values(prices)) assert.ok(micros >= 5_000 && micros <= 90_000);
    }
  }
});

test('only free text inside the window is free', () => {
  fc.assert(fc.property(facts, (given) => rate(books, given).free === (given.reply && given.windowOpen)));
});

test('a price is that of the book in force, found the dumb way', () => {
  fc.assert(
    fc.property(facts, (given) => {
      const inForce = books.all.filter(({ effectiveFromMs }) => effectiveFromMs <= given.timeMs).at(-1);
      assert.ok(inForce !== undefined);
      const listed = Object.entries(inForce.countries).find(([country]) => country === given.country);
      const prices = listed === undefined ? inForce.default : listed[1];
      const expected = given.reply ? (given.windowOpen ? 0 : prices.service) : prices[given.category];
      const { micros, priceBook, currency } = rate(books, given);
      assert.deepEqual([micros, priceBook, currency], [expected, inForce.version, inForce.currency]);
    }),
  );
});

test('a book comes into force at its very moment', () => {
  const [first, second] = books.all;
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(books.at(second.effectiveFromMs - 1), first);
  assert.equal(books.at(second.effectiveFromMs), second);
  assert.equal(books.at(0), first);
});

test('a book survives being written and read', () => {
  for (const book of books.all) assert.deepEqual(parsePriceBook(formatPriceBook(book)), book);
});

test('a book that is wrong is refused with the place', () => {
  const [book] = books.all;
  assert.ok(book !== undefined);
  const good = JSON.parse(formatPriceBook(book));
  const wrong =
    (change: object): (() => unknown) =>
    () =>
      parsePriceBook(JSON.stringify({ ...good, ...change }));
  assert.throws(wrong({ version: '' }), /no version/);
  assert.throws(wrong({ effectiveFrom: 'soon' }), /2026-01-01: effectiveFrom/);
  assert.throws(wrong({ currency: 'dollars' }), /currency/);
  assert.throws(wrong({ default: { utility: 1 } }), /default: the price of marketing/);
  assert.throws(wrong({ countries: { FR: { ...book.default, service: 0.5 } } }), /FR: the price of service/);
  assert.throws(wrong({ countries: { France: book.default } }), /France/);
  assert.throws(() => PriceBooks.of([]), /no price book/);
  assert.throws(() => PriceBooks.of([book, book]), /share/);
  const euro = { ...book, version: 'euro', currency: 'EUR', effectiveFromMs: 0 };
  assert.throws(() => PriceBooks.of([book, euro]), /currencies/);
});
