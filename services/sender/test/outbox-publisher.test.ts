import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { eventTopic } from '@chappe/event-consumer/bucket';
import { appendBytesMax } from '@chappe/log/limits';
import { LogError } from '@chappe/log/log-error';
import type { Log } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { EventWriter } from '../src/event-writer.ts';
import { eventFrameBytesMax } from '../src/limits.ts';
import { OutboxPublisher } from '../src/outbox-publisher.ts';
import { until } from './attach-of.ts';

test('NO-LOSS: frames that have gathered beyond what one append takes are published, in order', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-outbox-'));
  t.after(() => rm(folder, { recursive: true }));
  await using log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  await log.createTopic(eventTopic(0));
  let isAway = true;
  const tap: Pick<Log, 'append'> = {
    append: (appends) => {
      if (!isAway) return log.append(appends);
      const error = new LogError('unavailable', 'away');
      return Promise.resolve(appends.map(() => ({ kind: 'failed', error })));
    },
  };
  await using publisher = new OutboxPublisher({
    rangeId: 'r1',
    log: tap,
    publishedNo: 0,
    onPublished: () => undefined,
  });
  const frame = new Uint8Array(appendBytesMax / 3);
  publisher.enqueue(Array.from({ length: 10 }, (_, index) => ({ eventNo: index + 1, bucket: 0, frame })));
  await until(() => publisher.problem !== undefined);
  isAway = false;
  await until(() => publisher.isEmpty);
  const records = await log.readAt(eventTopic(0), 0, 100);
  assert.deepEqual(
    records.map(({ headers }) => headers.id),
    Array.from({ length: 10 }, (_, index) => `r1/${index + 1}`),
  );
});

test('BOUND: the events of a turn with many long replies go in several frames, numbered on', () => {
  const writer = new EventWriter(1);
  for (let reply = 0; reply < 40; reply += 1) {
    const value = { messageId: `m${reply}`, sealedBody: new Uint8Array(eventFrameBytesMax / 10) };
    writer.write('air', '33612345678', '33100000000', 1, `m${reply}`, { case: 'received', value });
  }
  const frames = writer.frames('r1', 1, 7);
  assert.ok(frames.length > 1);
  assert.ok(frames.every(({ frame }) => frame.length <= eventFrameBytesMax));
  assert.deepEqual(
    frames.map(({ eventNo }) => eventNo),
    frames.map((_, index) => 8 + index),
  );
});
