import { create } from '@bufbuild/protobuf';
import { EventFrameSchema, type EventFrame } from '@chappe/proto/internal/events';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newFramesOf } from '../src/new-frames.ts';

/** `range:epoch/number`, several. */
function framesOf(text: string): EventFrame[] {
  return text.split(' ').map((each) => {
    const [range = '', epoch = '', eventNo = ''] = each.split(/[:/]/);
    return create(EventFrameSchema, { range, epoch: BigInt(epoch), eventNo: BigInt(eventNo) });
  });
}

function newOf(done: string, frames: string): string {
  const before = newFramesOf(new Map(), framesOf(done)).done;
  return newFramesOf(before, framesOf(frames))
    .frames.map(({ range, epoch, eventNo }) => `${range}:${epoch}/${eventNo}`)
    .join(' ');
}

test('what a range publishes again is dropped, each range by itself', () => {
  assert.equal(newOf('a:1/1 a:1/2', 'a:1/2 b:1/1 a:1/3 b:1/1 a:1/1'), 'b:1/1 a:1/3');
});

test('NO-LOSS: a new owner publishes what the former one committed, and then its own', () => {
  assert.equal(newOf('a:1/1 a:1/2', 'a:1/2 a:1/3 a:2/4 a:1/3 a:2/5'), 'a:1/3 a:2/4 a:2/5');
});

test('NO-LOSS: a restored range gives its numbers again, under a later epoch, and they count', () => {
  assert.equal(newOf('a:1/1 a:1/2 a:1/3', 'a:2/2 a:2/3 a:2/4'), 'a:2/2 a:2/3 a:2/4');
});
