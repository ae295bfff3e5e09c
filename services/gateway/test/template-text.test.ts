import { create } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import { Category, TemplateSchema, type Template } from '@chappe/proto/v1/template_service';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseLanguage, fillTemplate, longerThan, parseTemplate } from '../src/template-text.ts';

function template(more: Omit<Partial<Template>, '$typeName' | '$unknown'>): Template {
  return create(TemplateSchema, { name: 'a', language: 'en', category: Category.UTILITY, body: 'Hello', ...more });
}

test('parameters are listed in the order of their first appearance, each once', () => {
  const parsed = parseTemplate(template({ header: '{{b}}', body: '{{a}} {{ b }} {{a}}', code: '{{c}}' }));
  assert.deepEqual(parsed.parameters, ['b', 'a', 'c']);
});

test('filling puts values where the parameters are, and reads nothing in the values', () => {
  const parsed = parseTemplate(template({ header: 'To {{1}}', body: '{{2}}, {{1}}!', footer: 'Bye', code: '{{2}}' }));
  assert.deepEqual(fillTemplate(parsed, { 1: 'Ada', 2: '{{1}}' }), {
    header: 'To Ada',
    body: '{{1}}, Ada!',
    footer: 'Bye',
    code: '{{1}}',
  });
});

test('missing, empty and extra parameters are named', () => {
  const parsed = parseTemplate(template({ body: '{{name}} {{city}}' }));
  const fill = () => fillTemplate(parsed, { name: '', more: 'x' });
  assert.throws(
    fill,
    (error) => isError(error, 2000) && /missing or empty: name, city; not in the template: more/.test(error.message),
  );
});

test('a parameter has at most 1,024 characters and a filled text 4,096, counted as code points', () => {
  const parsed = parseTemplate(template({ body: '{{1}}{{2}}{{3}}{{4}}{{5}}' }));
  const long = '😀'.repeat(1_024);
  assert.throws(
    () => fillTemplate(parsed, { 1: `${long}x`, 2: 'x', 3: 'x', 4: 'x', 5: 'x' }),
    (error) => isError(error, 2004),
  );
  assert.throws(
    () => fillTemplate(parsed, { 1: long, 2: long, 3: long, 4: long, 5: 'x' }),
    (error) => isError(error, 2005),
  );
});

const wrong: readonly [string, Parameters<typeof template>[0], number][] = [
  ['no name', { name: '' }, 1008],
  ['a name with capitals', { name: 'Parcel' }, 1009],
  ['no body', { body: '' }, 1008],
  ['a long body', { body: 'x'.repeat(1_025) }, 1009],
  ['a long header', { header: 'x'.repeat(61) }, 1009],
  ['a footer with parameters', { footer: '{{a}}' }, 1009],
  ['braces that are no parameter', { body: 'Hello {{a b}}' }, 1009],
  ['an unclosed parameter', { body: 'Hello {{a' }, 1009],
  ['named and numbered parameters', { body: '{{a}} {{1}}' }, 1009],
  ['a gap in the numbers', { body: '{{1}} {{3}}' }, 1009],
  ['no category', { category: Category.UNSPECIFIED }, 1008],
  ['no language', { language: '' }, 1008],
  ['a language that is none', { language: 'not a language' }, 1009],
];
for (const [what, more, code] of wrong) {
  test(`a template with ${what} is refused with ${code}`, () => {
    assert.throws(
      () => parseTemplate(template(more)),
      (error) => isError(error, code),
    );
  });
}

test('a language is found as it is written, in its canonical case, by its base, then by the default', () => {
  const languages = new Map([
    ['en', 'en'],
    ['fr', 'fr'],
    ['pt-BR', 'pt-BR'],
  ]);
  assert.equal(chooseLanguage(languages, 'pt_br', false, 'en'), 'pt-BR');
  assert.equal(chooseLanguage(languages, 'fr-CA', false, 'en'), undefined);
  assert.equal(chooseLanguage(languages, 'fr-CA', true, 'en'), 'fr');
  assert.equal(chooseLanguage(languages, 'de', true, 'en'), 'en');
});

test('lengths are those of the code points', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.nat(50),
      (text, max) => longerThan(text, max) === Array.from(text).length > max,
    ),
  );
});

test('every template that is taken can be filled by its own parameters', () => {
  // Braces stand beside blanks, so that two of them together never make a parameter that is no piece.
  const piece = fc.constantFrom('Hello ', '{{a}}', '{{ b }}', '{{c_1}}', ' ', '} ', ' {');
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 20 }), (pieces) => {
      let parsed;
      try {
        parsed = parseTemplate(template({ body: pieces.join('') }));
      } catch {
        return;
      }
      const values = Object.fromEntries(parsed.parameters.map((name) => [name, 'v']));
      assert.equal(
        fillTemplate(parsed, values).body,
        pieces.map((text) => (text.length > 2 && text.startsWith('{{') ? 'v' : text)).join(''),
      );
    }),
  );
});

function isError(error: unknown, code: number): error is ChappeError {
  return error instanceof ChappeError && error.entry.code === code;
}
