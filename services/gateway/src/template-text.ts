/**
 * Templates as texts with parameters: checking, parsing and filling them. Pure.
 *
 * A parameter is `{{name}}` or `{{1}}`, after the WhatsApp Business API. Sizes are counted in code
 * points, as its documents count characters.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import { Category, type Template } from '@chappe/proto/v1/template_service';
import {
  parameterCharactersMax,
  renderedCharactersMax,
  templateBodyCharactersMax,
  templateCodeCharactersMax,
  templateFooterCharactersMax,
  templateHeaderCharactersMax,
  templateNameCharactersMax,
  templateParametersMax,
} from './limits.ts';

/** A text cut at its parameters: literal, parameter, literal, ..., literal. */
type Pieces = readonly string[];

export interface ParsedTemplate {
  readonly name: string;
  readonly language: string;
  readonly category: 'utility' | 'marketing' | 'authentication';
  /** In the order of their first appearance. */
  readonly parameters: readonly string[];
  readonly header: Pieces;
  readonly body: Pieces;
  readonly footer: string;
  readonly code: Pieces;
}

export interface RenderedText {
  readonly header: string;
  readonly body: string;
  readonly footer: string;
  readonly code: string;
}

const marker = /\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}/;
const nameShape = /^[a-z0-9_]+$/;

/** @throws ChappeError `parameterMissing`, `parameterInvalid` */
export function parseTemplate(template: Template): ParsedTemplate {
  const { name, body, footer, header, code } = template;
  if (name === '') throw new ChappeError('parameterMissing', 'name is empty');
  if (name.length > templateNameCharactersMax || !nameShape.test(name)) {
    throw invalid(`name: 1 to ${templateNameCharactersMax} characters of a-z, 0-9 and _`);
  }
  if (body === '') throw new ChappeError('parameterMissing', 'body is empty');
  checkLength('header', header, templateHeaderCharactersMax);
  checkLength('body', body, templateBodyCharactersMax);
  checkLength('footer', footer, templateFooterCharactersMax);
  checkLength('code', code, templateCodeCharactersMax);
  if (cut('footer', footer).length > 1) throw invalid('footer: it has no parameters');
  const parsed = {
    name,
    language: canonicalLanguage(template.language),
    category: categoryOf(template.category),
    header: cut('header', header),
    body: cut('body', body),
    footer,
    code: cut('code', code),
  };
  const parameters = [...new Set([parsed.header, parsed.body, parsed.code].flatMap(parametersOf))];
  checkParameters(parameters);
  return { ...parsed, parameters };
}

/** @throws ChappeError `parameterCount` with the names, `parameterTooLong`, `renderedTooLong` */
export function fillTemplate(template: ParsedTemplate, values: Readonly<Record<string, string>>): RenderedText {
  const { parameters } = template;
  const missing = parameters.filter((name) => !Object.hasOwn(values, name) || values[name] === '');
  const extra = Object.keys(values).filter((name) => !parameters.includes(name));
  if (missing.length > 0 || extra.length > 0) throw countMismatch(template, missing, extra);
  for (const name of parameters) {
    if (longerThan(values[name] ?? '', parameterCharactersMax)) {
      throw new ChappeError('parameterTooLong', `parameter ${name} has more than ${parameterCharactersMax} characters`);
    }
  }
  const filled = {
    header: fill(template.header, values),
    body: fill(template.body, values),
    footer: template.footer,
    code: fill(template.code, values),
  };
  for (const part of ['header', 'body', 'code'] as const) {
    if (longerThan(filled[part], renderedCharactersMax)) {
      throw new ChappeError('renderedTooLong', `the filled ${part} has more than ${renderedCharactersMax} characters`);
    }
  }
  return filled;
}

/**
 * The language that a message gets: the one asked for, or with `fallback` its base language and
 * then the business's default.
 */
export function chooseLanguage<T>(
  languages: ReadonlyMap<string, T>,
  asked: string,
  fallback: boolean,
  defaultLanguage: string,
): T | undefined {
  const exact = languages.get(asked);
  if (exact !== undefined) return exact;
  const canonical = canonicalLanguage(asked);
  const found = languages.get(canonical);
  if (found !== undefined || !fallback) return found;
  return languages.get(canonical.split('-', 1)[0] ?? '') ?? languages.get(defaultLanguage);
}

/** BCP 47 in its canonical case; `pt_BR` is read as `pt-BR`. @throws ChappeError `parameterInvalid`, `parameterMissing` */
export function canonicalLanguage(language: string): string {
  if (language === '') throw new ChappeError('parameterMissing', 'language is empty; give one such as en or pt-BR');
  try {
    const [canonical] = Intl.getCanonicalLocales(language.replaceAll('_', '-'));
    if (canonical !== undefined && language.length <= 35) return canonical;
  } catch {
    // Said below, in the words of the API.
  }
  throw invalid('language: not a BCP 47 language such as en or pt-BR');
}

/** Whether a text has more code points than `max`. */
export function longerThan(text: string, max: number): boolean {
  if (text.length <= max) return false;
  if (text.length > max * 2) return true;
  let count = 0;
  for (const _ of text) count += 1;
  return count > max;
}

function categoryOf(category: Category): ParsedTemplate['category'] {
  switch (category) {
    case Category.UTILITY:
      return 'utility';
    case Category.MARKETING:
      return 'marketing';
    case Category.AUTHENTICATION:
      return 'authentication';
    case Category.UNSPECIFIED:
      throw new ChappeError('parameterMissing', 'category: utility, marketing or authentication');
    default:
      throw invalid('category: utility, marketing or authentication');
  }
}

function cut(part: string, text: string): Pieces {
  const pieces = text.split(marker);
  if (pieces.some((piece, index) => index % 2 === 0 && /\{\{|\}\}/.test(piece))) {
    throw invalid(`${part}: write parameters as {{name}}, with a-z, A-Z, 0-9 and _ in the name`);
  }
  return pieces;
}

function parametersOf(pieces: Pieces): readonly string[] {
  return pieces.filter((_, index) => index % 2 === 1);
}

function checkParameters(parameters: readonly string[]): void {
  if (parameters.length > templateParametersMax) throw invalid(`at most ${templateParametersMax} parameters`);
  const numbered = parameters.filter((name) => /^\d+$/.test(name));
  if (numbered.length === 0) return;
  if (numbered.length < parameters.length) throw invalid('parameters are either all named or all numbered');
  const wanted = parameters.map((_, index) => String(index + 1));
  if (wanted.some((name) => !parameters.includes(name))) {
    throw invalid(`numbered parameters run from {{1}} to {{${parameters.length}}} without a gap`);
  }
}

function checkLength(part: string, text: string, max: number): void {
  if (longerThan(text, max)) throw invalid(`${part}: at most ${max} characters`);
}

function fill(pieces: Pieces, values: Readonly<Record<string, string>>): string {
  if (pieces.length === 1) return pieces[0] ?? '';
  return pieces.map((piece, index) => (index % 2 === 0 ? piece : (values[piece] ?? ''))).join('');
}

function countMismatch(template: ParsedTemplate, missing: readonly string[], extra: readonly string[]): ChappeError {
  const problems = [
    ...(missing.length > 0 ? [`missing or empty: ${listed(missing)}`] : []),
    ...(extra.length > 0 ? [`not in the template: ${listed(extra)}`] : []),
  ];
  const wanted = template.parameters.length === 0 ? 'none' : template.parameters.join(', ');
  return new ChappeError('parameterCount', `${problems.join('; ')}. Template ${template.name} has: ${wanted}`);
}

/** Names from a request are cut, so that a detail stays a line. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => name.slice(0, 64));
  return names.length > 10 ? `${shown.join(', ')} and ${names.length - 10} more` : shown.join(', ');
}

function invalid(detail: string): ChappeError {
  return new ChappeError('parameterInvalid', detail);
}
