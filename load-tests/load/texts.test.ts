import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { numberIn, replyText, requestMaker, templates } from './texts.ts';

function fill(body: string, parameters: Record<string, string>): string {
  return body.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => parameters[name] ?? '?');
}

describe('the texts of a load test', () => {
  test('fill their templates, say the message’s number, and have the sizes of notifications', () => {
    const known = new Map(templates().map(({ name, body }) => [name, body ?? '']));
    let chance = 0;
    const make = requestMaker(() => chance);
    const lengths: number[] = [];
    for (let no = 0; no < 1_000; no += 1) {
      chance = no / 1_000;
      const { to, echo, content } = make(no, '+33620000000');
      assert.equal(to, '+33620000000');
      assert.ok(content?.case === 'template');
      const text = fill(known.get(content.value.name ?? '') ?? '', content.value.parameters ?? {});
      assert.doesNotMatch(text, /\?\?|\{\{|^\?/);
      assert.equal(numberIn(text), no);
      assert.equal(numberIn(echo ?? ''), no);
      lengths.push(text.length);
    }
    const sorted = lengths.toSorted((a, b) => a - b);
    assert.ok(
      (sorted[0] ?? 0) < 90 && (sorted[500] ?? 0) < 200 && (sorted[950] ?? 0) > 600 && (sorted[999] ?? 0) < 1_024,
    );
  });

  test('of replies say their number as well', () => {
    assert.equal(numberIn(replyText(123_456)), 123_456);
  });

  test('of others have none', () => {
    assert.ok(Number.isNaN(numberIn('!')));
  });
});
