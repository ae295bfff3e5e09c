import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildContent, contentBlockBytes, parseContent } from '../src/content.ts';

test('whatever its length, a content is padded to whole blocks of 160 bytes and read back', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 700 }),
      fc.nat(),
      (messageId, value, expiresAtMs) => {
        const built = buildContent({ messageId, expiresAtMs: BigInt(expiresAtMs), kind: { case: 'message', value } });
        assert.equal(built.length % contentBlockBytes, 0);
        const content = parseContent(built);
        assert.equal(content.messageId, messageId);
        assert.equal(content.expiresAtMs, BigInt(expiresAtMs));
        assert.deepEqual(content.kind, { case: 'message', value });
      },
    ),
  );
});

test('texts of one to a hundred characters have the same length', () => {
  const lengths = Array.from({ length: 100 }, (_, index) => {
    const value = new Uint8Array(index + 1);
    return buildContent({ messageId: 'm'.repeat(26), kind: { case: 'message', value } }).length;
  });
  assert.deepEqual(new Set(lengths), new Set([contentBlockBytes]));
});
