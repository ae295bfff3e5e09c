/** `chappe business`: businesses, their settings and keys. For the operator. */
import {
  AfterWindow,
  BusinessSchema,
  BusinessServiceListResponseSchema,
  IdentityPolicy,
  ListKeysResponseSchema,
  type Business,
  type Settings,
} from '@chappe/proto/v1/business_service';
import { toJson, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { SettingsSchema } from '@chappe/proto/v1/business_service';
import { type Command, Option } from 'commander';
import { withOperator } from '../connect.ts';
import { UsageError } from '../failure.ts';
import { formatTime, nameOf } from '../format.ts';
import { findBusiness, readLocalSettings, rememberBusiness } from '../local-settings.ts';
import { asOperator, examples, readWholeNumber, type OperatorOptions } from '../options.ts';
import { print, printJson, printMessage } from '../output.ts';
import { formatFields, formatTable } from '../table.ts';

interface SettingsOptions {
  readonly defaultLanguage?: string;
  readonly afterWindow?: 'charge' | 'template_only';
  readonly identityPolicy?: 'hold' | 'resend' | 'fail';
  readonly capCount?: number;
  readonly capHours?: number;
  readonly pairBurst?: number;
  readonly pairSeconds?: number;
}

interface CreateOptions extends OperatorOptions, SettingsOptions {
  readonly number: string;
}

export function businessCommand(program: Command): void {
  const business = program.command('business').description('businesses, their settings and keys (operator)');

  withSettings(
    asOperator(business.command('create').description('create a business; its key is kept in the data folder')),
  )
    .argument('<name>', 'what people see')
    .requiredOption('--number <number>', 'the number its messages come from, E.164')
    .addHelpText('after', examples(`chappe business create 'Air Optique' --number +33123456789`))
    .action(create);

  asOperator(business.command('list').description('all businesses; * marks the current one')).action(list);

  withSettings(
    asOperator(business.command('settings').description('show the settings, or change those that are given')),
  )
    .argument('[business]', 'id, name or number; absent: the current one')
    .addHelpText('after', examples('chappe business settings --after-window template_only'))
    .action(settings);

  const key = business.command('key').description('API keys');
  asOperator(key.command('create').description('a further API key, shown only now'))
    .argument('[business]', 'id, name or number; absent: the current one')
    .option('--label <text>', 'what it is for', '')
    .action(createKey);
  asOperator(key.command('list').description('the keys of a business, without the keys themselves'))
    .argument('[business]', 'id, name or number; absent: the current one')
    .action(listKeys);
  asOperator(key.command('revoke').description('end a key, within a second'))
    .argument('<key-id>', 'as `chappe business key list` shows it')
    .option('--of <business>', 'id, name or number; absent: the current one')
    .action(revokeKey);
}

function withSettings(command: Command): Command {
  return command
    .option('--default-language <code>', 'where templates fall back to')
    .addOption(
      new Option('--after-window <rule>', 'a reply after the 24 h window').choices(['charge', 'template_only']),
    )
    .addOption(
      new Option('--identity-policy <rule>', "when a person's identity changes").choices(['hold', 'resend', 'fail']),
    )
    .option('--cap-count <n>', 'marketing messages for a person in the period', readWholeNumber)
    .option('--cap-hours <hours>', 'the period', readWholeNumber)
    .option('--pair-burst <n>', 'messages of a number for a person in a row; 0: no limit', readWholeNumber)
    .option('--pair-seconds <seconds>', 'then one in so many', readWholeNumber);
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { business, apiKey } = await withOperator(options, (client) =>
    client.businesses.create({ name, number: options.number, settings: changed({}, options) }),
  );
  if (business === undefined) throw new Error('the answer names no business');
  rememberBusiness(options.data, { id: business.id, name, number: business.numbers[0] ?? options.number, apiKey });
  if (options.json === true) printJson({ business: toJson(BusinessSchema, business), apiKey });
  else
    print(
      formatFields([
        ['business', business.id],
        ['number', business.numbers.join(', ')],
        ['api key', apiKey],
        ['kept in', `${options.data}/cli.json`],
      ]),
    );
}

async function list(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, (client) => client.businesses.list({}));
  const current = findBusiness(readLocalSettings(options.data), undefined);
  printMessage(options, BusinessServiceListResponseSchema, response, ({ businesses }) =>
    formatTable(
      [{ title: ' ' }, { title: 'ID' }, { title: 'NAME' }, { title: 'NUMBERS' }, { title: 'CREATED' }],
      businesses.map(({ id, name, numbers, createdAt }) => [
        id === current?.id ? '*' : '',
        id,
        name,
        numbers.join(', '),
        formatTime(createdAt),
      ]),
    ),
  );
}

async function settings(wanted: string | undefined, options: OperatorOptions & SettingsOptions): Promise<void> {
  const business = await withOperator(options, async (client) => {
    const { businesses } = client;
    const before = pick((await businesses.list({})).businesses, wanted, options.data);
    const next = changed(before.settings ?? {}, options);
    if (Object.keys(changed({}, options)).length === 0) return before;
    return (await businesses.updateSettings({ businessId: before.id, settings: next })).business ?? before;
  });
  printMessage(options, BusinessSchema, business, ({ id, settings: now }) =>
    formatFields([['business', id], ...settingsFields(now)]),
  );
}

async function createKey(
  wanted: string | undefined,
  options: OperatorOptions & { readonly label: string },
): Promise<void> {
  const { key, apiKey } = await withOperator(options, async (client) => {
    const { businesses } = client;
    const business = pick((await businesses.list({})).businesses, wanted, options.data);
    return businesses.createKey({ businessId: business.id, label: options.label });
  });
  if (options.json === true) printJson({ id: key?.id ?? '', label: options.label, apiKey });
  else
    print(
      formatFields([
        ['key', key?.id ?? ''],
        ['api key', apiKey],
      ]),
    );
}

async function listKeys(wanted: string | undefined, options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, async (client) => {
    const { businesses } = client;
    const business = pick((await businesses.list({})).businesses, wanted, options.data);
    return businesses.listKeys({ businessId: business.id });
  });
  printMessage(options, ListKeysResponseSchema, response, ({ keys }) =>
    formatTable(
      [{ title: 'ID' }, { title: 'BEGINS' }, { title: 'LABEL' }, { title: 'CREATED' }, { title: 'REVOKED' }],
      keys.map((key) => [key.id, key.hint, key.label, formatTime(key.createdAt), formatTime(key.revokedAt)]),
    ),
  );
}

async function revokeKey(keyId: string, options: OperatorOptions & { readonly of?: string }): Promise<void> {
  await withOperator(options, async (client) => {
    const { businesses } = client;
    const business = pick((await businesses.list({})).businesses, options.of, options.data);
    return businesses.revokeKey({ businessId: business.id, keyId });
  });
  if (options.json === true) printJson({ revoked: keyId });
  else print(`revoked ${keyId}`);
}

function pick(businesses: readonly Business[], wanted: string | undefined, data: string): Business {
  const id = findBusiness(readLocalSettings(data), wanted)?.id ?? wanted;
  const digits = wanted?.replace(/^\+/, '');
  const found = businesses.find(
    (business) =>
      business.id === id || business.name === wanted || business.numbers.some((number) => number.slice(1) === digits),
  );
  if (found === undefined)
    throw new UsageError(`no such business: ${wanted ?? 'none was created here'}; \`chappe business list\` shows all`);
  return found;
}

/** `before` with what the options change. */
function changed(
  before: MessageInitShape<typeof SettingsSchema>,
  options: SettingsOptions,
): MessageInitShape<typeof SettingsSchema> {
  const { defaultLanguage, afterWindow, identityPolicy, capCount, capHours, pairBurst, pairSeconds } = options;
  return {
    ...before,
    ...(defaultLanguage === undefined ? {} : { defaultLanguage }),
    ...(afterWindow === undefined
      ? {}
      : { afterWindow: afterWindow === 'charge' ? AfterWindow.CHARGE : AfterWindow.TEMPLATE_ONLY }),
    ...(identityPolicy === undefined ? {} : { identityPolicy: identityPolicies[identityPolicy] }),
    ...(capCount === undefined ? {} : { capCount }),
    ...(capHours === undefined ? {} : { capPeriod: durationFromMs(capHours * 3_600_000) }),
    ...(pairBurst === undefined ? {} : { pairBurst }),
    ...(pairSeconds === undefined ? {} : { pairInterval: durationFromMs(pairSeconds * 1_000) }),
  };
}

const identityPolicies = {
  hold: IdentityPolicy.HOLD,
  resend: IdentityPolicy.RESEND,
  fail: IdentityPolicy.FAIL,
} as const;

function settingsFields(now: Settings | undefined): readonly (readonly [string, string])[] {
  return [
    ['default language', now?.defaultLanguage || 'en'],
    ['after the window', nameOf(AfterWindow, now?.afterWindow || AfterWindow.CHARGE)],
    ['identity policy', nameOf(IdentityPolicy, now?.identityPolicy || IdentityPolicy.HOLD)],
    ['marketing cap', `${now?.capCount || 10} in ${Number(now?.capPeriod?.seconds ?? 86_400n) / 3_600} h`],
    ['to one person', pairText(now)],
  ];
}

function pairText(now: Settings | undefined): string {
  const burst = now?.pairBurst ?? 0;
  const seconds = Number(now?.pairInterval?.seconds ?? 6n) + (now?.pairInterval?.nanos ?? 0) / 1e9;
  return burst === 0 ? 'no limit' : `${burst} of a number in a row, then one in ${seconds} s`;
}
