/** FENCE, ORDER and ONCE when ranges change hands: two starts of a shard, a thief, a move. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventTopic } from '@chappe/event-consumer/bucket';
import { formatRange, rangePrefix } from '@chappe/ranges/range';
import { parseShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { claimRange, commitThroughFence } from '@chappe/sender/fence';
import { Rig, until } from './sender-rig.ts';
import { allEnded, allEvents, makeNote, note, optIn, startPhone } from './test-node.ts';

const person = '+33612345678';

describe('a range that changes hands', () => {
  test('FENCE: a worker whose range was claimed by somebody else commits nothing more; the range goes on under a newer epoch', async () => {
    await using rig = await Rig.start();
    const sender = await rig.startShard('s1');
    const client = await rig.business('+33123456789');
    await makeNote(client);
    await using phone = await startPhone(rig, person);
    await optIn(client, person);
    await allEnded(client, [(await client.send(note(person, 'before'))).messageId]);
    await rig.done('r1');

    // Somebody else claims, behind the back of the routing table, and works.
    const thief = await claimRange(rig.store, await rig.range('r1'), 40, 'thief');
    assert.ok(thief.kind === 'claimed');
    const { progress } = thief;
    const stolen = await commitThroughFence(rig.store, 'r1', progress, progress, async () => {});
    assert.equal(stolen.kind, 'committed');

    const { messageId } = await client.send(note(person, 'after'));
    await until(async () => (await rig.row('r1'))['epoch'] === 41);
    await allEnded(client, [messageId]);
    assert.deepEqual(
      phone.shown.map(({ message }) => message.body),
      ['before', 'after'],
    );
    assert.equal((await rig.range('r1')).epoch, 41, 'the coordinator went on from the epoch of the row (2.1)');
    assert.deepEqual(sender.notReady(), {});
  });

  test('FENCE, ONCE: another start of a shard goes on at the next record, publishes again what was perhaps not published, and devices come along', async () => {
    await using rig = await Rig.start();
    const former = await rig.startShard('s1');
    const client = await rig.business('+33123456789');
    await makeNote(client);
    await using phone = await startPhone(rig, person);
    await optIn(client, person);
    await allEnded(client, [(await client.send(note(person, 'one'))).messageId]);
    await former[Symbol.asyncDispose]();

    // As if it had been killed after it published its last frame and before that was saved.
    const [at, frame] = await lastFrameOf(rig, 'r1');
    await rig.store.transaction(async (tx) => {
      await tx.run('UPDATE range_progress SET published_no = ? WHERE range_id = ?', [at.eventNo - 1, 'r1']);
      await tx.run('INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?)', ['r1', at.eventNo, at.bucket, frame]);
    });
    const before = await rig.row('r1');
    const framesBefore = await rig.log.end(eventTopic(at.bucket));

    const { messageId } = await client.send(note(person, 'two'));
    await rig.startShard('s1');
    await allEnded(client, [messageId]);
    const after = await rig.row('r1');
    assert.equal(after['epoch'], Number(before['epoch']) + 1);
    assert.deepEqual(
      phone.shown.map(({ message }) => message.body),
      ['one', 'two'],
    );
    const repeated = (await rig.log.readAt(eventTopic(at.bucket), framesBefore, 1))[0];
    assert.deepEqual(repeated?.value, frame, 'the frame was published again first');
    const ids = (await allEvents(client)).map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, 'and nobody sees it twice');
  });

  test('ORDER, ONCE, NO-LOSS: messages of a stream are shown once and in order while their ranges move to and fro', async () => {
    await using rig = await Rig.start();
    await rig.startShard('s1');
    await rig.startShard('s2');
    const client = await rig.business('+33123456789');
    await makeNote(client);
    const people = [person, '+491711234567'];
    await using first = await startPhone(rig, person);
    await using second = await startPhone(rig, '+491711234567');
    await optIn(client, ...people);
    await using stream = client.openSendStream();
    const ids: string[] = [];
    const sent: Promise<unknown>[] = [];
    for (let round = 0; round < 8; round += 1) {
      for (let count = 0; count < 10; count += 1) {
        for (const to of people) {
          const text = `${round * 10 + count}`;
          sent.push(stream.send(note(to, text)).then(({ messageId }) => ids.push(messageId)));
        }
      }
      for (const id of ['r1', 'r2']) await move(rig, id);
    }
    await Promise.all(sent);
    await allEnded(client, ids);
    const expected = Array.from({ length: 80 }, (_, index) => `${index}`);
    for (const phone of [first, second]) {
      assert.deepEqual(
        phone.shown.map(({ message }) => message.body),
        expected,
      );
    }
  });
});

/** Gives a range to the other shard, as the coordinator does. */
async function move(rig: Rig, id: string): Promise<void> {
  for (;;) {
    const entry = await rig.coordination.get(rangePrefix + id);
    const range = await rig.range(id);
    const shards = (await rig.coordination.list(shardPrefix)).entries.map(({ value }) => parseShardInfo(value));
    const other = shards.find((shard) => shard.id !== range.owner);
    if (entry === undefined || other === undefined) throw new Error('there is nowhere to move to');
    const moved = { ...range, owner: other.id, ownerInstance: other.instance, epoch: range.epoch + 1 };
    const { succeeded } = await rig.coordination.transact(
      [{ key: entry.key, modRevision: entry.modRevision }],
      [{ kind: 'put', key: entry.key, value: formatRange(moved) }],
    );
    if (!succeeded) continue;
    // It is taken before it moves on; the coordinator may have moved it meanwhile.
    await until(async () => Number((await rig.row(id))['epoch']) > range.epoch);
    return;
  }
}

async function lastFrameOf(rig: Rig, rangeId: string): Promise<[{ eventNo: number; bucket: number }, Uint8Array]> {
  for (const bucket of [0, 1]) {
    const record = (await rig.records(eventTopic(bucket))).findLast(({ key }) => key === rangeId);
    const eventNo = Number((await rig.row(rangeId))['event_no']);
    if (record?.headers.id === `${rangeId}/${eventNo}`) return [{ eventNo, bucket }, record.value];
  }
  throw new Error('the last frame is in no topic');
}
