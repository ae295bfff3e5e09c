import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageState } from '@chappe/proto/v1/event';
import { eventsUntil, makeBusiness, optIn, startPhone, startTestNode } from './test-node.ts';

test('one message goes from a business to a phone, and its receipts and a reply come back with a price', async () => {
  await using node = await startTestNode();
  const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
  await using phone = await startPhone(node, '+33612345678');
  await optIn(client, '+33612345678');
  await client.templates.create({
    template: { name: 'hello', language: 'fr', category: 1, body: 'Bonjour {{name}}' },
  });
  const { messageId } = await client.send({
    to: '+33612345678',
    content: { case: 'template', value: { name: 'hello', language: 'fr', parameters: { name: 'Claude' } } },
  });

  const [shown] = await phone.showed(1);
  assert.equal(shown?.messageId, messageId);
  assert.equal(shown?.message.body, 'Bonjour Claude');
  await phone.handset.read([messageId]);
  await phone.handset.reply('+33123456789', 'Merci');

  const events = await eventsUntil(client, ({ kind }) => kind.case === 'received');
  const states = events.flatMap(({ kind }) => (kind.case === 'state' ? [kind.value.state] : []));
  assert.deepEqual(
    states.toSorted((a, b) => a - b),
    [MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED, MessageState.READ],
  );
  const received = events.at(-1)?.kind;
  assert.equal(received?.case === 'received' ? received.value.text : '', 'Merci');

  const reply = await client.send({ to: '+33612345678', content: { case: 'text', value: { text: 'De rien' } } });
  await phone.showed(2);
  assert.equal(phone.shown[1]?.messageId, reply.messageId);
});
