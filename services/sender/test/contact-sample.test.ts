import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ContactSample } from '../src/contact-sample.ts';

function sampleOf(contacts: readonly string[]): ContactSample {
  const sample = new ContactSample();
  for (const contact of contacts) sample.add(contact);
  return sample;
}

test('the median leaves a fourth of the commands on each side at least', () => {
  const contact = fc.stringMatching(/^33[0-9]{9}$/);
  fc.assert(
    fc.property(fc.array(contact, { minLength: 32, maxLength: 256 }), (contacts) => {
      const bound = sampleOf(contacts).median();
      if (bound === undefined) return;
      const below = contacts.filter((one) => one < bound).length;
      assert.ok(
        below >= contacts.length / 4 && contacts.length - below >= contacts.length / 4,
        `${below} below ${bound}`,
      );
    }),
  );
});

test('it is as short as tells the halves apart', () => {
  const contacts = Array.from({ length: 100 }, (_, index) => `336${index % 2 === 0 ? '1' : '7'}2345${index}`);
  assert.equal(sampleOf(contacts).median(), '3367');
});

test('few commands have none, and so has a contact with most of them; old ones are forgotten', () => {
  assert.equal(sampleOf(Array.from({ length: 31 }, (_, index) => `33${index}`)).median(), undefined);
  assert.equal(sampleOf(Array.from({ length: 256 }, (_, index) => (index < 200 ? '331' : '332'))).median(), undefined);
  const sample = sampleOf(Array.from({ length: 256 }, () => '331'));
  for (let count = 0; count < 256; count += 1) sample.add(count % 2 === 0 ? '44' : '49');
  assert.equal(sample.median(), '49');
});
