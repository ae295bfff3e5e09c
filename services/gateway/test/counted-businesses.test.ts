import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChappeError } from '@chappe/errors/chappe-error';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { readConfig } from '../src/config.ts';
import { gatewayEvents } from '../src/events.ts';

const environment = { CHAPPE_ADMIN_KEY: 'a-key-of-an-operator' };

test('TENANT: metrics name the businesses that the operator named, all others are one', async () => {
  const telemetry = openTelemetry({ service: 'test', level: 'silent' });
  const events = gatewayEvents(telemetry, ['b-named']);
  for (const business of ['b-named', 'b-secret-1', 'b-secret-2'])
    events.sent(business, { kind: 'accepted', messageId: 'm' });
  events.sent('b-secret-1', { kind: 'refused', error: new ChappeError('tooLong', 'x') });
  const text = await telemetry.metrics.metrics();
  assert.match(text, /business_messages_total\{business="b-named",outcome="accepted"\} 1/);
  assert.match(text, /business_messages_total\{business="other",outcome="accepted"\} 2/);
  assert.match(text, /business_messages_total\{business="other",outcome="refused"\} 1/);
  assert.doesNotMatch(text, /secret/);
});

test('the list of counted businesses has a bound, and its ids have a form', () => {
  const read = (list: string): readonly string[] =>
    readConfig({ ...environment, CHAPPE_COUNTED_BUSINESSES: list }).CHAPPE_COUNTED_BUSINESSES;
  assert.deepEqual(read(''), []);
  assert.deepEqual(read('b-1,b_2,b-1'), ['b-1', 'b_2']);
  assert.throws(() => read('b 1'), /CHAPPE_COUNTED_BUSINESSES.*ids of businesses/s);
  assert.throws(() => read(Array.from({ length: 21 }, (_, no) => `b-${no}`).join(',')), /at most 20 businesses/);
});
