/** TemplateService: a business's texts. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { TemplateService } from '@chappe/proto/v1/template_service';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Callers } from './callers.ts';
import { answeringStoreErrors } from './store-errors.ts';
import { canonicalLanguage } from './template-text.ts';
import type { Templates } from './templates.ts';

export interface TemplateServiceDependencies {
  readonly callers: Callers;
  readonly templates: Templates;
  readonly now: () => number;
}

export function templateService({ callers, templates, now }: TemplateServiceDependencies): Implementation {
  return implement(TemplateService, {
    create: async ({ template }, { bearer }) => {
      const { id } = await callers.business(bearer);
      if (template === undefined) throw new ChappeError('parameterMissing', 'template is absent');
      return answeringStoreErrors(async () => ({ template: await templates.create(id, template, now()) }));
    },
    list: async ({ name }, { bearer }) => {
      const { id } = await callers.business(bearer);
      return answeringStoreErrors(async () => ({ templates: await templates.list(id, name) }));
    },
    delete: async ({ name, language }, { bearer }) => {
      const { id } = await callers.business(bearer);
      if (name === '') throw new ChappeError('parameterMissing', 'name is empty');
      await answeringStoreErrors(() => templates.delete(id, name, canonicalLanguage(language)));
      return {};
    },
  });
}
