/** BillingService: quotes by the same function that charges; the ledger as billing has it. */
import type { PriceBookWatcher } from '@chappe/rating/price-book-watcher';
import { timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { ChappeError } from '@chappe/errors/chappe-error';
import { parsePhoneNumber, type PhoneNumber } from '@chappe/numbers/phone-number';
import type { LedgerService } from '@chappe/proto/internal/ledger_service';
import { BillingService } from '@chappe/proto/v1/billing_service';
import { Category as CategoryOnWire } from '@chappe/proto/v1/template_service';
import type { Category } from '@chappe/rating/price-book';
import { rate } from '@chappe/rating/rate';
import type { Client } from '@chappe/rpc/client';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Business } from './businesses.ts';
import type { Callers } from './callers.ts';
import type { Shards } from './shards.ts';

export interface BillingServiceDependencies {
  readonly callers: Callers;
  readonly shards: Shards;
  readonly prices: PriceBookWatcher;
  readonly ledger: Client<typeof LedgerService>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const ledgerEntriesMax = 1_000;
const ledgerEntriesDefault = 100;

export function billingService(dependencies: BillingServiceDependencies): Implementation {
  const { callers, shards, prices, ledger, now } = dependencies;
  return implement(BillingService, {
    quote: async (request, { bearer }) => {
      const business = await callers.business(bearer);
      if (request.to === '') throw new ChappeError('parameterMissing', 'to is empty');
      const { number: contact, country } = parsePhoneNumber(request.to);
      const number = senderOf(request.from, business);
      const category = categoryOf(request.category);
      const timeMs = now();
      const { windows } = await shards.contact(contact, business.id);
      const openUntilMs = windows.find((window) => window.number === number)?.openUntilMs ?? 0n;
      const windowOpen = openUntilMs > BigInt(timeMs);
      const rated = rate(prices.books(), { country, category, windowOpen, reply: category === 'service', timeMs });
      return {
        price: { currency: rated.currency, micros: BigInt(rated.micros) },
        country,
        category,
        windowOpen,
        priceBook: rated.priceBook,
        assumption: assumption(category, windowOpen, Number(openUntilMs), rated.priceBook),
      };
    },

    listLedger: async ({ after, limit }, { bearer }) => {
      const { id } = await callers.business(bearer);
      if (limit > ledgerEntriesMax) throw new ChappeError('parameterInvalid', `limit: at most ${ledgerEntriesMax}`);
      const { entries } = await ledger.listEntries({
        business: id,
        after,
        limit: limit === 0 ? ledgerEntriesDefault : limit,
      });
      return { entries };
    },

    getStatement: async ({ from, to }, { bearer }) => {
      const { id } = await callers.business(bearer);
      const period = { fromMs: bound(from), toMs: bound(to) };
      if (period.toMs !== 0n && period.fromMs > period.toMs) {
        throw new ChappeError('parameterInvalid', 'from is after to');
      }
      const { statement } = await ledger.sumStatement({ business: id, ...period });
      return statement ?? {};
    },
  });
}

function senderOf(from: string, business: Business): PhoneNumber {
  const number = from === '' ? business.numbers[0] : parsePhoneNumber(from).number;
  if (number !== undefined && business.numbers.includes(number)) return number;
  throw new ChappeError('notFound', "from: not one of this business's numbers");
}

function categoryOf(category: CategoryOnWire): Category {
  switch (category) {
    case CategoryOnWire.UNSPECIFIED:
      return 'service';
    case CategoryOnWire.UTILITY:
      return 'utility';
    case CategoryOnWire.MARKETING:
      return 'marketing';
    case CategoryOnWire.AUTHENTICATION:
      return 'authentication';
    default:
      throw new ChappeError('parameterInvalid', 'category: utility, marketing or authentication');
  }
}

/** What decides the price, and may change before the message is accepted. */
function assumption(category: Category, windowOpen: boolean, openUntilMs: number, priceBook: string): string {
  const book = `price list ${priceBook} is in force`;
  if (category !== 'service') return `The message is accepted while ${book}.`;
  if (windowOpen)
    return `The message is accepted before ${new Date(openUntilMs).toISOString()}, when the 24 h window closes.`;
  return `The message is accepted while ${book} and before the person writes again, which would make it free of charge.`;
}

function bound(time: Timestamp | undefined): bigint {
  return time === undefined ? 0n : BigInt(Math.floor(timestampMs(time)));
}
