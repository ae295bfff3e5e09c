/** The conformance suite of blobs: what `blobs.ts` promises, as tests, for every driver. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Blobs } from './blobs.ts';
import { BlobError } from './blobs.ts';
import { blobBytesMax, listLimitMax } from './limits.ts';

/** Blobs for one test, with no keys but those of the test. Disposing removes what the test left. */
export interface BlobsHarness extends AsyncDisposable {
  readonly blobs: Blobs;
  /** Closes `blobs` and opens the same ones anew; the harness disposes those too. */
  readonly reopen: () => Promise<Blobs>;
  /** Cuts `blobs` off from what they are stored in, so that nothing can be done with them any more. */
  readonly makeDead: () => Promise<void>;
}

export function blobsConformance(name: string, open: () => Promise<BlobsHarness>): void {
  const check = (sentence: string, work: (harness: BlobsHarness) => Promise<void>): void => {
    void test(sentence, async () => {
      await using harness = await open();
      await work(harness);
    });
  };
  void describe(`blobs: ${name}`, () => {
    check('a blob comes back as it was put', async ({ blobs }) => {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
      await blobs.put('media/a', bytes);
      assert.deepEqual(new Uint8Array((await blobs.get('media/a')) ?? []), bytes);
    });

    check('an empty blob is there, and one that was never put is not', async ({ blobs }) => {
      await blobs.put('empty', new Uint8Array(0));
      assert.equal((await blobs.get('empty'))?.length, 0);
      assert.equal(await blobs.get('missing'), undefined);
      assert.equal(await blobs.get('empty/below'), undefined);
    });

    check('a blob is replaced as a whole', async ({ blobs }) => {
      await blobs.put('a', Buffer.from('a long first text'));
      await blobs.put('a', Buffer.from('second'));
      assert.equal(await textOf(blobs, 'a'), 'second');
    });

    check('of concurrent puts of one key one is left, whole', async ({ blobs }) => {
      const texts = Array.from({ length: 10 }, (_, index) => String(index).repeat(10_000));
      await Promise.all(texts.map((text) => blobs.put('same/key', Buffer.from(text))));
      assert.ok(texts.includes((await textOf(blobs, 'same/key')) ?? ''));
    });

    check('concurrent puts below one new prefix are all there', async ({ blobs }) => {
      const keys = Array.from({ length: 20 }, (_, index) => `new/deep/prefix/${index}`);
      await Promise.all(keys.map((key) => blobs.put(key, Buffer.from(key))));
      assert.deepEqual(await blobs.list('new/', { limit: 100 }), keys.toSorted());
    });

    check('a deleted blob is gone, and deleting it again is nothing', async ({ blobs }) => {
      await blobs.put('a/b', Buffer.from('x'));
      await blobs.delete('a/b');
      await blobs.delete('a/b');
      await blobs.delete('never/was');
      assert.equal(await blobs.get('a/b'), undefined);
      assert.deepEqual(await blobs.list('', { limit: 10 }), []);
      await blobs.put('a/b', Buffer.from('y'));
      assert.equal(await textOf(blobs, 'a/b'), 'y');
    });

    check('a key and keys below it do not disturb each other', async ({ blobs }) => {
      await blobs.put('a', Buffer.from('above'));
      await blobs.put('a/b', Buffer.from('below'));
      assert.deepEqual([await textOf(blobs, 'a'), await textOf(blobs, 'a/b')], ['above', 'below']);
      await blobs.delete('a');
      assert.equal(await textOf(blobs, 'a/b'), 'below');
    });

    check('a list is in ascending order of keys, by prefix, after a key, up to a limit', async ({ blobs }) => {
      const keys = ['a-b', 'a', 'a.c', 'a/b', 'a/b/c', 'a/b-c', 'aa', 'b/z', 'A', '0'];
      for (const key of keys) await blobs.put(key, Buffer.from(key));
      const sorted = keys.toSorted();
      assert.deepEqual(await blobs.list('', { limit: 100 }), sorted);
      for (const prefix of ['a', 'a/', 'a/b', 'b/z', 'c', '../']) {
        assert.deepEqual(
          await blobs.list(prefix, { limit: 100 }),
          sorted.filter((key) => key.startsWith(prefix)),
        );
      }
      for (const after of [...keys, 'a/a', 'zz', '']) {
        assert.deepEqual(await blobs.list('', { after, limit: 3 }), sorted.filter((key) => key > after).slice(0, 3));
      }
    });

    check('a list of too many or no keys is invalid', async ({ blobs }) => {
      await rejectsAs('invalid_key', blobs.list('', { limit: 0 }));
      await rejectsAs('invalid_key', blobs.list('', { limit: listLimitMax + 1 }));
    });

    check('a malformed key is invalid', async ({ blobs }) => {
      const malformed = [
        '',
        '/',
        'a/',
        '/a',
        'a//b',
        '.',
        '..',
        'a/../b',
        './a',
        'a b',
        'é',
        'a~',
        'a\\b',
        'a\n',
        'a\0b',
      ];
      const tooLong = ['a'.repeat(201), `${'a/'.repeat(256)}a`];
      for (const key of [...malformed, ...tooLong]) {
        await rejectsAs('invalid_key', blobs.put(key, Buffer.from('x')));
        await rejectsAs('invalid_key', blobs.get(key));
        await rejectsAs('invalid_key', blobs.delete(key));
      }
    });

    check('the longest keys are good', async ({ blobs }) => {
      for (const key of [
        `${'a'.repeat(200)}/${'b'.repeat(200)}/${'c'.repeat(110)}`,
        `${'a/'.repeat(255)}aa`,
        '..a',
        '-',
      ]) {
        await blobs.put(key, Buffer.from(key));
        assert.equal(await textOf(blobs, key), key);
      }
    });

    check('a blob that is too large is refused', async ({ blobs }) => {
      await rejectsAs('too_large', blobs.put('a', new Uint8Array(blobBytesMax + 1)));
      assert.equal(await blobs.get('a'), undefined);
    });

    check('blobs survive a restart', async ({ blobs, reopen }) => {
      await blobs.put('a/b', Buffer.from('x'));
      assert.equal(await textOf(await reopen(), 'a/b'), 'x');
    });

    check('a dead driver is an error everywhere, never silence', async ({ blobs, makeDead }) => {
      await blobs.put('a', Buffer.from('x'));
      await makeDead();
      await rejectsAs('unavailable', blobs.put('a', Buffer.from('y')));
      await rejectsAs('unavailable', blobs.get('a'));
      await rejectsAs('unavailable', blobs.delete('a'));
      await rejectsAs('unavailable', blobs.list('', { limit: 1 }));
    });
  });
}

async function textOf(blobs: Blobs, key: string): Promise<string | undefined> {
  const bytes = await blobs.get(key);
  return bytes && Buffer.from(bytes).toString();
}

async function rejectsAs(kind: BlobError['kind'], work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof BlobError, `not a BlobError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}
