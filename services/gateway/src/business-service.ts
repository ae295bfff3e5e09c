/** BusinessService: the operator makes businesses, their numbers and their keys. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ChappeError } from '@chappe/errors/chappe-error';
import { display, parsePhoneNumber, type PhoneNumber } from '@chappe/numbers/phone-number';
import {
  ApiKeySchema,
  BusinessSchema,
  BusinessService,
  type ApiKey,
  type Business as PublicBusiness,
} from '@chappe/proto/v1/business_service';
import { implement, type Implementation } from '@chappe/rpc/server';
import { StoreError, type Store, type Transaction } from '@chappe/store/store';
import { randomBytes } from 'node:crypto';
import { apiKeyInsert, makeApiKey, readApiKeys, revokeApiKey, type ApiKeyRecord } from './api-keys.ts';
import {
  businessesTable,
  businessRow,
  numbersTable,
  readBusiness,
  readBusinesses,
  settingsValues,
  type Business,
} from './businesses.ts';
import type { Callers } from './callers.ts';
import { businessNameCharactersMax, keysPerBusinessMax, labelCharactersMax, numbersPerBusinessMax } from './limits.ts';
import { enterNumber, makeIdentity, type AnnouncerDependencies } from './number-announcer.ts';
import { parseSettings, publicSettings } from './settings.ts';
import { answeringStoreErrors } from './store-errors.ts';
import { longerThan } from './template-text.ts';

export interface BusinessServiceDependencies extends AnnouncerDependencies {
  readonly callers: Callers;
  readonly now: () => number;
}

export function businessService(dependencies: BusinessServiceDependencies): Implementation {
  const { callers, store, now } = dependencies;
  const asOperator = async <T>(bearer: string, work: () => Promise<T>): Promise<T> => {
    await callers.operator(bearer);
    return answeringStoreErrors(work);
  };

  return implement(BusinessService, {
    create: (request, { bearer }) =>
      asOperator(bearer, async () => {
        const name = checkedText('name', request.name, businessNameCharactersMax);
        const { number } = parsePhoneNumber(request.number);
        const settings = parseSettings(request.settings);
        const id = `biz-${randomBytes(8).toString('hex')}`;
        const business = { id, name, secret: randomBytes(32), settings, createdAtMs: now() };
        const key = makeApiKey(id, 'first', now());
        await takingNumber(() =>
          store.transaction(async (tx) => {
            await tx.insert(businessesTable, [businessRow(business)], 'fail');
            await tx.insert(numbersTable, [[number, id, 0, 0]], 'fail');
            await tx.insert(...apiKeyInsert(key));
          }),
        );
        await announceOrUndo(number, business, async (tx) => {
          await tx.run('DELETE FROM api_keys WHERE business = ?', [id]);
          await tx.run('DELETE FROM businesses WHERE id = ?', [id]);
        });
        return { business: publicBusiness({ ...business, numbers: [number] }), apiKey: key.key };
      }),

    list: (_request, { bearer }) =>
      asOperator(bearer, async () => ({ businesses: (await readBusinesses(store)).map(publicBusiness) })),

    updateSettings: (request, { bearer }) =>
      asOperator(bearer, async () => {
        const settings = parseSettings(request.settings);
        const { id } = await found(store, request.businessId);
        await store.transaction((tx) =>
          tx.run(
            'UPDATE businesses SET default_language = ?, template_only_after_window = ?, identity_policy = ?, cap_count = ?, cap_period_ms = ?, pair_burst = ?, pair_interval_ms = ? WHERE id = ?',
            [...settingsValues(settings), id],
          ),
        );
        callers.refresh();
        return { business: publicBusiness(await found(store, id)) };
      }),

    addNumber: (request, { bearer }) =>
      asOperator(bearer, async () => {
        const { number } = parsePhoneNumber(request.number);
        const business = await found(store, request.businessId);
        if (business.numbers.includes(number)) return { business: publicBusiness(business) };
        await takingNumber(() =>
          store.transaction(async (tx) => {
            const rows = await tx.queryForUpdate('SELECT position FROM business_numbers WHERE business = ?', [
              business.id,
            ]);
            if (rows.length >= numbersPerBusinessMax) throw tooMany('numbers', numbersPerBusinessMax);
            const position = 1 + Math.max(...rows.map((row) => Number(row['position'])));
            await tx.insert(numbersTable, [[number, business.id, position, 0]], 'fail');
          }),
        );
        await announceOrUndo(number, business);
        callers.refresh();
        return { business: publicBusiness(await found(store, business.id)) };
      }),

    createKey: (request, { bearer }) =>
      asOperator(bearer, async () => {
        if (longerThan(request.label, labelCharactersMax)) {
          throw new ChappeError('parameterInvalid', `label: at most ${labelCharactersMax} characters`);
        }
        const { id } = await found(store, request.businessId);
        const inForce = (await readApiKeys(store, id)).filter(({ revokedAtMs }) => revokedAtMs === undefined);
        if (inForce.length >= keysPerBusinessMax) throw tooMany('keys', keysPerBusinessMax);
        const key = makeApiKey(id, request.label, now());
        await store.transaction((tx) => tx.insert(...apiKeyInsert(key)));
        return { key: publicKey(key.record), apiKey: key.key };
      }),

    listKeys: (request, { bearer }) =>
      asOperator(bearer, async () => {
        const { id } = await found(store, request.businessId);
        return { keys: (await readApiKeys(store, id)).map(publicKey) };
      }),

    revokeKey: (request, { bearer }) =>
      asOperator(bearer, async () => {
        const existed = await revokeApiKey(store, request.businessId, request.keyId, now());
        if (!existed) throw new ChappeError('notFound', 'no such key of this business');
        callers.refresh();
        return {};
      }),
  });

  /**
   * A number without an identity is of no use: what was written is taken back, so that the call can be repeated.
   * With one it stays, as crypto keeps it for this business; what is left to do is done soon (`Readiness`).
   */
  async function announceOrUndo(
    number: PhoneNumber,
    business: Pick<Business, 'id' | 'name'>,
    undoMore?: (tx: Transaction) => Promise<void>,
  ): Promise<void> {
    const announcement = { number, business: business.id, name: business.name };
    try {
      await makeIdentity(dependencies, announcement);
    } catch (error) {
      await store.transaction(async (tx) => {
        await tx.run('DELETE FROM business_numbers WHERE number = ? AND announced = 0', [number]);
        await undoMore?.(tx);
      });
      throw error;
    }
    await enterNumber(dependencies, announcement).catch(() => undefined);
  }
}

async function found(store: Store, id: string): Promise<Business> {
  const business = await readBusiness(store, id);
  if (business === undefined) throw new ChappeError('notFound', 'no business with this id');
  return business;
}

async function takingNumber(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'conflict') throw error;
    throw new ChappeError('alreadyExists', 'number: a business has it already', { cause: error });
  }
}

function checkedText(field: string, text: string, charactersMax: number): string {
  const trimmed = text.trim();
  if (trimmed === '') throw new ChappeError('parameterMissing', `${field} is empty`);
  if (longerThan(trimmed, charactersMax)) {
    throw new ChappeError('parameterInvalid', `${field}: at most ${charactersMax} characters`);
  }
  return trimmed;
}

function tooMany(what: string, max: number): ChappeError {
  return new ChappeError('parameterInvalid', `a business has at most ${max} ${what}`);
}

function publicBusiness(business: Omit<Business, 'policy' | 'secret'>): PublicBusiness {
  return create(BusinessSchema, {
    id: business.id,
    name: business.name,
    numbers: business.numbers.map(display),
    settings: publicSettings(business.settings),
    createdAt: timestampFromMs(business.createdAtMs),
  });
}

function publicKey({ id, hint, label, createdAtMs, revokedAtMs }: ApiKeyRecord): ApiKey {
  const revokedAt = revokedAtMs === undefined ? {} : { revokedAt: timestampFromMs(revokedAtMs) };
  return create(ApiKeySchema, { id, hint, label, createdAt: timestampFromMs(createdAtMs), ...revokedAt });
}
