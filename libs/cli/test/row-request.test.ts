import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toRequest, type RowRules } from '../src/row-request.ts';
import { parametersByTemplate } from '../src/template-catalogue.ts';

const rules: RowRules = {
  template: 'parcel',
  language: 'en',
  parametersOf: (name) => (name === 'parcel' ? ['name', 'day'] : undefined),
};

function keyOf(cells: Record<string, string>, rowNo = 1, with_ = rules): string {
  const outcome = toRequest(
    { kind: 'row', line: 2, bytesRead: 0, cells: new Map(Object.entries(cells)) },
    rowNo,
    with_,
  );
  assert.equal(outcome.kind, 'request', outcome.kind === 'malformed' ? outcome.reason : '');
  return outcome.kind === 'request' ? outcome.request.idempotencyKey : '';
}

function reasonOf(cells: Record<string, string>, with_ = rules): string {
  const outcome = toRequest({ kind: 'row', line: 2, bytesRead: 0, cells: new Map(Object.entries(cells)) }, 1, with_);
  return outcome.kind === 'malformed' ? outcome.reason : '';
}

const row = { to: '+33199001001', name: 'Camille', day: 'demain' };

test('the same row has the same key, on any machine and at any time', () => {
  assert.equal(keyOf(row), keyOf({ ...row }));
  assert.ok(keyOf(row).length <= 128);
});

test('another value, language, template, number or place in the file is another message', () => {
  const keys = [
    keyOf(row),
    keyOf({ ...row, day: 'lundi' }),
    keyOf({ ...row, language: 'fr' }),
    keyOf({ ...row, to: '+33199001002' }),
    keyOf(row, 2),
    keyOf(row, 1, { ...rules, template: 'other', parametersOf: () => ['name', 'day'] }),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test('a row with a key of its own keeps it wherever it stands', () => {
  assert.equal(keyOf({ ...row, key: 'order-7' }, 1), keyOf({ ...row, key: 'order-7', day: 'lundi' }, 9));
});

test('columns that the template does not have change nothing', () => {
  assert.equal(keyOf(row), keyOf({ ...row, remark: 'x' }));
});

test('a row says what it lacks', () => {
  assert.match(reasonOf({ ...row, to: ' ' }), /`to` is empty/);
  assert.match(reasonOf({ to: '+33199001001', name: 'x' }), /needs the columns day/);
  assert.match(reasonOf(row, { language: 'en', parametersOf: () => [] }), /`template` is empty/);
  assert.match(
    reasonOf({ ...row, template: 'nope' }, { language: 'en', parametersOf: rules.parametersOf }),
    /no template nope/,
  );
});

test('the parameters are those of the language, of its base language, or of all', () => {
  const parametersOf = parametersByTemplate([
    { name: 't', language: 'en', parameters: ['a'] },
    { name: 't', language: 'pt', parameters: ['a', 'b'] },
  ]);
  assert.deepEqual(parametersOf('t', 'en'), ['a']);
  assert.deepEqual(parametersOf('t', 'pt-BR'), ['a', 'b']);
  assert.deepEqual(parametersOf('t', 'fr'), ['a', 'b']);
  assert.equal(parametersOf('u', 'en'), undefined);
});
