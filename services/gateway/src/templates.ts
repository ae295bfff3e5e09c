/** The templates of all businesses: their rows, and what is parsed of them, kept for a while. */
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ChappeError } from '@chappe/errors/chappe-error';
import { TemplateSchema, type Template } from '@chappe/proto/v1/template_service';
import type { Row, Store, Table } from '@chappe/store/store';
import { ExpiringCache } from './expiring-cache.ts';
import { cachedTemplatesMax, templateLifeMs, templatesPerBusinessMax } from './limits.ts';
import { asCallerSees } from './store-errors.ts';
import { parseTemplate, type ParsedTemplate } from './template-text.ts';

/** The languages of one template name. */
export type TemplateFamily = ReadonlyMap<string, ParsedTemplate>;

const templatesTable: Table = {
  name: 'templates',
  key: ['business', 'name', 'language'],
  columns: ['business', 'name', 'language', 'template', 'created_at_ms'],
};

export class Templates {
  readonly #store: Store;
  readonly #families = new ExpiringCache<TemplateFamily>({ lifeMs: templateLifeMs, entriesMax: cachedTemplatesMax });

  constructor(store: Store) {
    this.#store = store;
  }

  /** The families of these names; empty for a name that is not there. @throws ChappeError `storeUnavailable` */
  async families(business: string, names: ReadonlySet<string>): Promise<ReadonlyMap<string, TemplateFamily>> {
    try {
      const entries = [...names].map(async (name) => [name, await this.#family(business, name)] as const);
      return new Map(await Promise.all(entries));
    } catch (error) {
      throw asCallerSees(error);
    }
  }

  /** The template as it stands, with its parameters. @throws ChappeError `alreadyExists` if another text has its place */
  async create(business: string, template: Template, nowMs: number): Promise<Template> {
    const parsed = parseTemplate(template);
    const { name, language, parameters } = parsed;
    const stored: Template = { ...template, language, parameters: [...parameters] };
    const bytes = encodeMessage(TemplateSchema, stored);
    await this.#store.transaction(async (tx) => {
      const same = [business, name, language];
      const [existing] = await tx.queryForUpdate(
        'SELECT template FROM templates WHERE business = ? AND name = ? AND language = ?',
        same,
      );
      if (existing !== undefined) {
        if (Buffer.compare(bytesOf(existing), bytes) === 0) return;
        throw new ChappeError('alreadyExists', `template ${name} has another text in ${language}; delete it first`);
      }
      const [count] = await tx.query('SELECT count(*) AS n FROM templates WHERE business = ?', [business]);
      if (Number(count?.['n']) >= templatesPerBusinessMax) {
        throw new ChappeError('parameterInvalid', `a business has at most ${templatesPerBusinessMax} templates`);
      }
      await tx.insert(templatesTable, [[...same, bytes, nowMs]], 'fail');
    });
    this.#families.forget(keyOf(business, name));
    return stored;
  }

  /** @param name only this one; `''`: all */
  async list(business: string, name: string): Promise<Template[]> {
    const [sql, parameters] =
      name === ''
        ? ['SELECT template FROM templates WHERE business = ? ORDER BY name, language', [business]]
        : ['SELECT template FROM templates WHERE business = ? AND name = ? ORDER BY language', [business, name]];
    return (await this.#store.query(sql, parameters)).map((row) => decodeMessage(TemplateSchema, bytesOf(row)));
  }

  async delete(business: string, name: string, language: string): Promise<void> {
    await this.#store.transaction((tx) =>
      tx.run('DELETE FROM templates WHERE business = ? AND name = ? AND language = ?', [business, name, language]),
    );
    this.#families.forget(keyOf(business, name));
  }

  #family(business: string, name: string): Promise<TemplateFamily> {
    return this.#families.get(keyOf(business, name), async () => {
      const templates = await this.list(business, name === '' ? '?' : name);
      return new Map(templates.map((template) => [template.language, parseTemplate(template)]));
    });
  }
}

function keyOf(business: string, name: string): string {
  return `${business}/${name}`;
}

function bytesOf(row: Row): Uint8Array {
  const bytes = row['template'];
  if (!(bytes instanceof Uint8Array)) throw new Error('a template without its text');
  return bytes;
}
