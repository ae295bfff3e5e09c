/**
 * The rows of businesses and their numbers. Written here only; read through a cache of a second by
 * every call.
 */
import { phoneNumberFromDigits, type PhoneNumber } from '@chappe/numbers/phone-number';
import type { Policy } from '@chappe/proto/internal/commands';
import type { Row, SqlValue, Store, Table } from '@chappe/store/store';
import { policyOf, type BusinessSettings } from './settings.ts';

export interface Business {
  readonly id: string;
  readonly name: string;
  /** What its cursors and message ids are marked with. */
  readonly secret: Uint8Array;
  readonly settings: BusinessSettings;
  readonly policy: Policy;
  /** The first is the default sender. */
  readonly numbers: readonly PhoneNumber[];
  readonly createdAtMs: number;
}

export interface UnannouncedNumber {
  readonly number: PhoneNumber;
  readonly business: string;
  readonly name: string;
}

export const businessesTable: Table = {
  name: 'businesses',
  key: ['id'],
  columns: [
    'id',
    'name',
    'secret',
    'default_language',
    'template_only_after_window',
    'identity_policy',
    'cap_count',
    'cap_period_ms',
    'pair_burst',
    'pair_interval_ms',
    'created_at_ms',
  ],
};

export const numbersTable: Table = {
  name: 'business_numbers',
  key: ['number'],
  columns: ['number', 'business', 'position', 'announced'],
};

export async function readBusiness(store: Store, id: string): Promise<Business | undefined> {
  const [row] = await store.query('SELECT * FROM businesses WHERE id = ?', [id]);
  if (row === undefined) return undefined;
  const numbers = await store.query('SELECT number FROM business_numbers WHERE business = ? ORDER BY position', [id]);
  return businessOf(row, numbers);
}

export async function readBusinesses(store: Store): Promise<Business[]> {
  const rows = await store.query('SELECT * FROM businesses ORDER BY created_at_ms, id');
  const numbers = await store.query('SELECT business, number FROM business_numbers ORDER BY business, position');
  const byBusiness = Map.groupBy(numbers, (row) => row['business']);
  return rows.map((row) => businessOf(row, byBusiness.get(row['id'] ?? '') ?? []));
}

export async function readUnannounced(store: Store): Promise<UnannouncedNumber[]> {
  const rows = await store.query(
    'SELECT n.number, n.business, b.name FROM business_numbers n JOIN businesses b ON b.id = n.business WHERE n.announced = 0',
  );
  return rows.map((row) => ({
    number: phoneNumberFromDigits(String(row['number'])),
    business: String(row['business']),
    name: String(row['name']),
  }));
}

export function businessRow(business: Omit<Business, 'policy' | 'numbers'>): readonly SqlValue[] {
  const { id, name, secret, settings, createdAtMs } = business;
  return [id, name, secret, ...settingsValues(settings), createdAtMs];
}

/** In the order of the columns of `businessesTable`. */
export function settingsValues(settings: BusinessSettings): readonly SqlValue[] {
  const { defaultLanguage, templateOnlyAfterWindow, identityPolicy, capCount, capPeriodMs } = settings;
  const { pairBurst, pairIntervalMs } = settings;
  const onlyTemplate = templateOnlyAfterWindow ? 1 : 0;
  return [defaultLanguage, onlyTemplate, identityPolicy, capCount, capPeriodMs, pairBurst, pairIntervalMs];
}

function businessOf(row: Row, numbers: readonly Row[]): Business {
  const settings: BusinessSettings = {
    defaultLanguage: String(row['default_language']),
    templateOnlyAfterWindow: row['template_only_after_window'] === 1,
    identityPolicy: identityPolicyOf(row['identity_policy']),
    capCount: Number(row['cap_count']),
    capPeriodMs: Number(row['cap_period_ms']),
    pairBurst: Number(row['pair_burst']),
    pairIntervalMs: Number(row['pair_interval_ms']),
  };
  const secret = row['secret'];
  if (!(secret instanceof Uint8Array)) throw new Error('a business without a secret');
  return {
    id: String(row['id']),
    name: String(row['name']),
    secret,
    settings,
    policy: policyOf(settings),
    numbers: numbers.map((number) => phoneNumberFromDigits(String(number['number']))),
    createdAtMs: Number(row['created_at_ms']),
  };
}

function identityPolicyOf(value: SqlValue | undefined): BusinessSettings['identityPolicy'] {
  if (value === 'hold' || value === 'resend' || value === 'fail') return value;
  throw new Error('a business with an unknown identity policy');
}
