/** Reads of the ledger, for one business at a time (TENANT): every query names it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ChappeError } from '@chappe/errors/chappe-error';
import {
  LedgerService,
  type ListEntriesRequest,
  type ListEntriesResponseSchema,
  type SumStatementRequest,
  type SumStatementResponseSchema,
} from '@chappe/proto/internal/ledger_service';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Row, SqlValue, Store } from '@chappe/store/store';
import { entriesDefault, entriesMax } from './limits.ts';

export interface LedgerServiceDependencies {
  readonly store: Store;
  /** Of all price books, and so of all sums. */
  readonly currency: string;
}

export function ledgerService(dependencies: LedgerServiceDependencies): Implementation {
  return implement(LedgerService, {
    listEntries: (request) => listEntries(request, dependencies),
    sumStatement: (request) => sumStatement(request, dependencies),
  });
}

async function listEntries(
  { business, after, limit }: ListEntriesRequest,
  { store }: LedgerServiceDependencies,
): Promise<MessageInitShape<typeof ListEntriesResponseSchema>> {
  expectBusiness(business);
  if (limit > entriesMax) throw new ChappeError('parameterInvalid', `limit: at most ${entriesMax}, or absent`);
  if (after > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ChappeError('parameterInvalid', 'after: the number of an entry');
  const rows = await store.query('SELECT * FROM ledger WHERE business = ? AND no > ? ORDER BY no LIMIT ?', [
    business,
    Number(after),
    limit === 0 ? entriesDefault : limit,
  ]);
  return {
    entries: rows.map((row) => ({
      no: bigint(row['no']),
      messageId: String(row['message_id']),
      time: timestampFromMs(Number(row['time_ms'])),
      country: String(row['country']),
      category: String(row['category']),
      windowOpen: row['window_open'] === 1,
      amount: { currency: String(row['currency']), micros: bigint(row['micros']) },
      priceBook: String(row['price_book']),
    })),
  };
}

async function sumStatement(
  { business, fromMs, toMs }: SumStatementRequest,
  { store, currency }: LedgerServiceDependencies,
): Promise<MessageInitShape<typeof SumStatementResponseSchema>> {
  expectBusiness(business);
  const until = toMs === 0n ? Number.MAX_SAFE_INTEGER : Number(toMs);
  const rows = await store.query(sumLines, [business, Number(fromMs), until]);
  const [reserved] = await store.query(
    "SELECT COALESCE(SUM(micros), 0) AS micros FROM bookings WHERE business = ? AND state = 'reserved'",
    [business],
  );
  return {
    statement: {
      lines: rows.map((row) => lineOf(row)),
      total: { currency, micros: rows.reduce((sum, row) => sum + bigint(row['micros']), 0n) },
      reserved: { currency, micros: bigint(reserved?.['micros']) },
    },
  };
}

const sumLines = `
  SELECT country, category, currency,
    SUM(CASE WHEN micros > 0 THEN 1 ELSE 0 END) AS charged,
    SUM(CASE WHEN micros > 0 THEN 0 ELSE 1 END) AS free,
    SUM(micros) AS micros
  FROM ledger WHERE business = ? AND time_ms >= ? AND time_ms < ?
  GROUP BY country, category, currency
  ORDER BY country, category`;

function lineOf(row: Row): object {
  return {
    country: String(row['country']),
    category: String(row['category']),
    charged: bigint(row['charged']),
    free: bigint(row['free']),
    amount: { currency: String(row['currency']), micros: bigint(row['micros']) },
  };
}

function expectBusiness(business: string): void {
  if (business === '') throw new ChappeError('parameterMissing', 'business: whose ledger is meant');
}

function bigint(value: SqlValue | undefined): bigint {
  return BigInt(typeof value === 'number' ? value : 0);
}
