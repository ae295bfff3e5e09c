/** Which parameters each template of a business has. */
import type { Template } from '@chappe/proto/v1/template_service';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { UsageError } from './failure.ts';
import type { RowRules } from './row-request.ts';

/** @throws UsageError if `wanted` is not among the business's templates */
export async function readTemplateParameters(
  client: ChappeClient,
  wanted: string | undefined,
): Promise<RowRules['parametersOf']> {
  const { templates } = await client.templates.list({ name: '' });
  if (wanted !== undefined && !templates.some(({ name }) => name === wanted)) {
    const known = [...new Set(templates.map(({ name }) => name))].join(', ');
    throw new UsageError(
      `the business has no template ${wanted}. It has ${known === '' ? 'none yet: `chappe template create` makes one' : known}.`,
    );
  }
  return parametersByTemplate(templates);
}

/** Of the language, else of its base language, else of all languages of the template together. */
export function parametersByTemplate(
  templates: readonly Pick<Template, 'name' | 'language' | 'parameters'>[],
): RowRules['parametersOf'] {
  const exact = new Map(templates.map(({ name, language, parameters }) => [`${name} ${language}`, parameters]));
  const all = new Map<string, string[]>();
  for (const { name, parameters } of templates) all.set(name, [...new Set([...(all.get(name) ?? []), ...parameters])]);
  return (name, language) =>
    exact.get(`${name} ${language}`) ?? exact.get(`${name} ${language.split('-')[0]}`) ?? all.get(name);
}
