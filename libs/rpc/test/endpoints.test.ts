import assert from 'node:assert/strict';
import test from 'node:test';
import { credentials, status } from '@grpc/grpc-js';
import { Endpoints } from '../src/endpoints.ts';
import { silentMs } from '../src/limits.ts';

const failure = (code: number, details: string): Error => Object.assign(new Error(details), { code, details });
const refusal = failure(status.UNAVAILABLE, 'not yet');
const silence = failure(status.DEADLINE_EXCEEDED, 'Deadline exceeded');

test('one that refuses is preferred to one that was silent, until that may have come back', (context) => {
  let now = 1_000;
  context.mock.method(performance, 'now', () => now);
  using endpoints = new Endpoints(['a.example:1', 'b.example:1'], 'stick', credentials.createInsecure(), {});
  const silent = endpoints.pick();
  endpoints.ended(silent, silence);
  const refusing = endpoints.pick();
  assert.notEqual(refusing.address, silent.address);
  for (let call = 0; call < 3; call += 1) {
    endpoints.ended(endpoints.pick(), refusal);
    assert.equal(endpoints.pick().address, refusing.address);
  }
  now += silentMs + 1;
  endpoints.ended(refusing, refusal);
  assert.equal(endpoints.pick().address, silent.address);
});

test('when all were silent each gets a try again', () => {
  using endpoints = new Endpoints(['a.example:1', 'b.example:1'], 'stick', credentials.createInsecure(), {});
  const tried = Array.from({ length: 4 }, () => {
    const endpoint = endpoints.pick();
    endpoints.ended(endpoint, silence);
    return endpoint.address;
  });
  assert.equal(new Set(tried.slice(0, 2)).size, 2);
  assert.equal(new Set(tried.slice(2)).size, 2);
});
