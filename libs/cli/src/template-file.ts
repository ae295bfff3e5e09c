/** A file of templates (examples/templates.json): name -> category and, for each language, its texts. */
import { Category } from '@chappe/proto/v1/template_service';
import { UsageError } from './failure.ts';

export interface TemplateText {
  readonly name: string;
  readonly language: string;
  readonly category: Category;
  readonly header: string;
  readonly body: string;
  readonly footer: string;
  readonly code: string;
}

interface FileEntry {
  readonly category?: string;
  readonly code?: string;
  readonly languages?: Readonly<Record<string, { header?: string; body?: string; footer?: string }>>;
}

/** @throws UsageError that names the entry which is wrong */
export function readTemplateFile(text: string): readonly TemplateText[] {
  return Object.entries(parse(text)).flatMap(([name, { category = 'utility', code = '', languages = {} }]) => {
    const known = categories[category];
    if (known === undefined) {
      throw new UsageError(`template ${name}: category ${category} is none of ${Object.keys(categories).join(', ')}`);
    }
    return Object.entries(languages).map(([language, { header = '', body = '', footer = '' }]) => {
      if (body === '') throw new UsageError(`template ${name} (${language}) has no body`);
      return { name, language, category: known, header, body, footer, code };
    });
  });
}

const categories: Readonly<Record<string, Category>> = {
  utility: Category.UTILITY,
  marketing: Category.MARKETING,
  authentication: Category.AUTHENTICATION,
};

function parse(text: string): Readonly<Record<string, FileEntry>> {
  try {
    return JSON.parse(text) as Record<string, FileEntry>;
  } catch (error) {
    throw new UsageError(`the template file is no JSON: ${error instanceof Error ? error.message : 'unknown'}`, {
      cause: error,
    });
  }
}
