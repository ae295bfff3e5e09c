/**
 * What one message costs. The range worker decides it once, with `accepted`, at the command's
 * append time; quotes use the same function, so that they equal the later charge.
 */
import type { Category, PriceBooks } from './price-book.ts';

export interface RatingFacts {
  /** ISO 3166-1 alpha-2 of the contact's number. */
  readonly country: string;
  readonly category: Category;
  /** Whether the contact wrote within the last 24 h. */
  readonly windowOpen: boolean;
  /** Free text, as against a template. */
  readonly reply: boolean;
  /** The append time. */
  readonly timeMs: number;
}

export interface Rating {
  /** Millionths of the currency's unit. */
  readonly micros: number;
  readonly currency: string;
  /** The version of the book. */
  readonly priceBook: string;
  readonly free: boolean;
}

/**
 * Free text inside the window is free; after it, it costs what `service` costs. A template costs
 * what its category costs, window or not.
 */
export function rate(books: PriceBooks, facts: RatingFacts): Rating {
  const book = books.at(facts.timeMs);
  const prices = Object.hasOwn(book.countries, facts.country) ? book.countries[facts.country] : undefined;
  const listed = (prices ?? book.default)[facts.reply ? 'service' : facts.category];
  const micros = facts.reply && facts.windowOpen ? 0 : listed;
  return { micros, currency: book.currency, priceBook: book.version, free: micros === 0 };
}
