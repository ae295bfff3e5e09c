import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { heapArguments } from './node-settings.ts';

test('processes on this machine have the heap that the image gives them', () => {
  const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8');
  const options = [...dockerfile.matchAll(/NODE_OPTIONS="([^"]*)"/g)].map(([, text = '']) => text.split(' '));
  assert.equal(options.length, 2, 'where code is compiled, and where it runs');
  for (const each of options) assert.deepEqual(each, [...heapArguments]);
});
