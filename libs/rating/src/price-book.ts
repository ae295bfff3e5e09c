/**
 * Price books: what a message costs, by country and category, from a date on.
 *
 * A book is data, never changed once it is published; a new price is a new book. Amounts are
 * millionths of the currency's unit: 1 US cent is 10,000.
 */
export const categories = ['utility', 'marketing', 'authentication', 'service'] as const;

/** `service` is free text; the others are templates'. */
export type Category = (typeof categories)[number];

/** In millionths of the book's currency. */
export type Prices = Readonly<Record<Category, number>>;

export interface PriceBook {
  /** Names the book for ever, e.g. `2026-07-01`. */
  readonly version: string;
  readonly effectiveFromMs: number;
  /** ISO 4217. */
  readonly currency: string;
  /** Where the prices come from. */
  readonly source: string;
  /** For countries that are not listed, and for numbers of no country. */
  readonly default: Prices;
  /** By ISO 3166-1 alpha-2. */
  readonly countries: Readonly<Record<string, Prices>>;
}

/** @throws Error naming the book and the field that is wrong */
export function parsePriceBook(json: string): PriceBook {
  const value: unknown = JSON.parse(json);
  if (!isObject(value)) throw new Error('a price book is not an object');
  const { version, effectiveFrom, currency, source, countries } = value;
  if (typeof version !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(version)) {
    throw new Error('a price book has no version of letters, digits and . _ -');
  }
  const where = `price book ${version}`;
  const effectiveFromMs = typeof effectiveFrom === 'string' ? Date.parse(effectiveFrom) : Number.NaN;
  if (Number.isNaN(effectiveFromMs)) throw new Error(`${where}: effectiveFrom is not an ISO 8601 time`);
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency))
    throw new Error(`${where}: currency is not ISO 4217`);
  if (typeof source !== 'string' || source === '')
    throw new Error(`${where}: source does not say where prices come from`);
  if (!isObject(countries)) throw new Error(`${where}: countries is not an object`);
  const parsed = Object.entries(countries).map(([country, prices]): [string, Prices] => {
    if (!/^[A-Z]{2}$/.test(country)) throw new Error(`${where}: ${country} is not ISO 3166-1 alpha-2`);
    return [country, parsePrices(prices, `${where}, ${country}`)];
  });
  return Object.freeze({
    version,
    effectiveFromMs,
    currency,
    source,
    default: parsePrices(value['default'], `${where}, default`),
    countries: Object.fromEntries(parsed),
  });
}

/** The one text of a book, so that equal books have equal texts. */
export function formatPriceBook(book: PriceBook): string {
  const countries = Object.entries(book.countries).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    version: book.version,
    effectiveFrom: new Date(book.effectiveFromMs).toISOString(),
    currency: book.currency,
    source: book.source,
    default: ordered(book.default),
    countries: Object.fromEntries(countries.map(([country, prices]) => [country, ordered(prices)])),
  });
}

/** All books, of which one is in force at any time. */
export class PriceBooks {
  /** By date. */
  readonly all: readonly PriceBook[];

  private constructor(sorted: readonly PriceBook[]) {
    this.all = sorted;
  }

  /** Of every book. */
  get currency(): string {
    return this.all[0]?.currency ?? '';
  }

  /** @throws Error if there is none, if two share a version or a date, or if their currencies differ */
  static of(books: readonly PriceBook[]): PriceBooks {
    if (books.length === 0) throw new Error('there is no price book');
    const sorted = books.toSorted((a, b) => a.effectiveFromMs - b.effectiveFromMs);
    if (new Set(books.map(({ version }) => version)).size < books.length)
      throw new Error('two price books share a version');
    if (new Set(books.map(({ effectiveFromMs }) => effectiveFromMs)).size < books.length) {
      throw new Error('two price books come into force at the same time');
    }
    // So that every sum over a ledger has one currency.
    if (new Set(books.map(({ currency }) => currency)).size > 1)
      throw new Error('price books are in several currencies');
    return new PriceBooks(sorted);
  }

  /**
   * The book in force: the last that is not later. Before the first one, the first: a clock that
   * is wrong does not stop messages.
   */
  at(timeMs: number): PriceBook {
    const book = this.all.findLast(({ effectiveFromMs }) => effectiveFromMs <= timeMs) ?? this.all[0];
    if (book === undefined) throw new Error('there is no price book');
    return book;
  }
}

function parsePrices(value: unknown, where: string): Prices {
  if (!isObject(value)) throw new Error(`${where}: no prices`);
  const price = (category: Category): number => {
    const micros = value[category];
    if (typeof micros !== 'number' || !Number.isSafeInteger(micros) || micros < 0) {
      throw new Error(`${where}: the price of ${category} is not a whole number of millionths`);
    }
    return micros;
  };
  return Object.freeze({
    utility: price('utility'),
    marketing: price('marketing'),
    authentication: price('authentication'),
    service: price('service'),
  });
}

function ordered({ utility, marketing, authentication, service }: Prices): Prices {
  return { utility, marketing, authentication, service };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
