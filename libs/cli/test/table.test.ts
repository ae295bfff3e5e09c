import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { MoneySchema } from '@chappe/proto/v1/money';
import { formatMoney } from '../src/format.ts';
import { parsePhoneInput } from '../src/phone/phone-input.ts';
import { newestCode } from '../src/phone/registration-code.ts';
import { formatBar } from '../src/progress.ts';
import { formatTable } from '../src/table.ts';

test('columns are as wide as their widest cell, as people count characters', () => {
  const text = formatTable(
    [{ title: 'NAME' }, { title: 'N', align: 'right' }],
    [
      ['Zoé', '1'],
      ['e\u0301te\u0301', '10'],
    ],
  );
  assert.equal(text, 'NAME   N\nZoé    1\ne\u0301te\u0301   10');
});

test('amounts have four digits, and more where they need them', () => {
  const money = (micros: bigint): string => formatMoney(create(MoneySchema, { currency: 'USD', micros }));
  assert.equal(money(74_000n), '0.0740 USD');
  assert.equal(money(74_125n), '0.074125 USD');
  assert.equal(money(-1_500_000n), '-1.5000 USD');
});

test('a bar is full at the end, and for an empty file', () => {
  assert.equal(formatBar(1, 2), '[##########..........]  50%');
  assert.equal(formatBar(0, 0), '[####################] 100%');
});

test('what is typed at the phone is a reply or a command', () => {
  assert.deepEqual(parsePhoneInput(' hello '), { kind: 'reply', text: 'hello' });
  assert.deepEqual(parsePhoneInput('//shrug'), { kind: 'reply', text: '/shrug' });
  assert.deepEqual(parsePhoneInput('/block +33123456789'), { kind: 'block', number: '+33123456789' });
  assert.deepEqual(parsePhoneInput('/nope'), { kind: 'unknown', command: 'nope' });
});

test('the newest code of a number is found, damaged lines are passed over', () => {
  const lines = [
    '{"number":"+331","code":"111111"}',
    '{"number":"+332","code":"222222"}',
    '{"number":"331","code":"333333"}',
    '{"nu',
  ];
  assert.equal(newestCode(lines, '+331'), '333333');
  assert.equal(newestCode(lines, '+339'), undefined);
});
