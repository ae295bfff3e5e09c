/** The catalogue, what docs/errors.md says of it, and what the proto files say of its codes. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { catalogue, errorNameOf, type CatalogueEntry } from '../src/catalogue.ts';
import { errorsDoc, grpcName, withErrorTable } from './errors-doc.ts';

const entries: readonly CatalogueEntry[] = Object.values(catalogue);

test('codes are unique and in ascending order', () => {
  const codes = entries.map(({ code }) => code);
  assert.deepEqual(
    codes,
    [...new Set(codes)].toSorted((a, b) => a - b),
  );
});

test('every entry has a title and says when it happens', () => {
  for (const { code, title, meaning } of entries) {
    assert.match(title, /^[A-Z].*[^.]$/, `the title of ${code}`);
    assert.match(meaning, /^[A-Z].*\.$/, `the meaning of ${code}`);
    assert.doesNotMatch(title + meaning, /\|/, `${code} breaks the table of the document`);
  }
});

test('every code leads back to its name, and one that is not there to an internal error', () => {
  for (const [name, { code }] of Object.entries(catalogue)) assert.equal(errorNameOf(code), name);
  assert.equal(errorNameOf(1), 'internal');
});

test('docs/errors.md has exactly the catalogue', async () => {
  const document = await readFile(errorsDoc, 'utf8');
  assert.equal(document, withErrorTable(document), 'run: node libs/errors/test/errors-doc.ts');
});

test('codes that proto comments name are those of the catalogue, with its status and meaning', async () => {
  const named: Record<number, string> = {};
  for (const [file, text] of await protoFiles()) {
    for (const { groups } of text.matchAll(/(?:(?<status>[A-Z]+(?:_[A-Z]+)*)\s+\()?\bcode\s+(?<code>\d+)\b/g)) {
      const code = Number(groups?.['code']);
      const entry = entries.find((candidate) => candidate.code === code);
      assert.ok(entry, `${file} names code ${code}, which the catalogue does not have`);
      named[code] = errorNameOf(code);
      const status = groups?.['status'];
      if (status !== undefined) assert.equal(status, grpcName(entry.grpc), `${file}, code ${code}`);
    }
  }
  // What the comments say of each: a code that gets another meaning must be looked up there.
  assert.deepEqual(named, {
    470: 'windowClosed',
    480: 'identityChanged',
    1004: 'alreadyExists',
    1015: 'tooManyRequests',
    1018: 'notOwner',
    2001: 'templateMissing',
    3002: 'keyReused',
    3005: 'priceAboveLimit',
    3010: 'behindRefused',
    3011: 'clusterBusy',
    131056: 'pairLimit',
  });
});

/** Their texts, comments unwrapped: a line break in a sentence is a space. */
async function protoFiles(): Promise<[string, string][]> {
  const folder = join(import.meta.dirname, '../../../proto/chappe');
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.proto'));
  return Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const text = await readFile(join(folder, name), 'utf8');
      return [name, text.replaceAll(/\n\s*\/\/ /g, ' ')];
    }),
  );
}
