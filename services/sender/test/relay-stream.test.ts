import assert from 'node:assert/strict';
import test from 'node:test';
import { create } from '@bufbuild/protobuf';
import { DeviceRefSchema } from '@chappe/proto/internal/sender_service';
import { pushBytesPerFrame } from '../src/limits.ts';
import { RelayStream } from '../src/relay-stream.ts';
import { until } from './attach-of.ts';

test('BOUND: what gathers for a slow relay goes in frames of a bounded size, in order', async () => {
  const frames: { numbers: number[]; bytes: number }[] = [];
  const stream = new RelayStream(async ({ push = [] }) => {
    const envelopes = push.flatMap((each) => each.envelopes?.envelopes ?? []);
    const bytes = envelopes.reduce((sum, { ciphertext }) => sum + (ciphertext?.length ?? 0), 0);
    frames.push({ numbers: envelopes.map(({ number }) => Number(number)), bytes });
  });
  const each = 200_000;
  const device = create(DeviceRefSchema, { contact: '33612345678', device: 1 });
  for (let envelopeNo = 1; envelopeNo <= 30; envelopeNo += 1) {
    const envelope = { envelopeNo, number: '33100000000', sessionNo: 1, type: 1, ciphertext: new Uint8Array(each) };
    stream.push(device, { range: 'r1', epoch: 1 }, 1, [{ kind: 'envelope', ...envelope }]);
  }
  await until(() => frames.flatMap(({ numbers }) => numbers).length === 30);
  assert.ok(frames.every(({ bytes }) => bytes < pushBytesPerFrame + each));
  assert.deepEqual(
    frames.flatMap(({ numbers }) => numbers),
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
});
