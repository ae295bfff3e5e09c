/** The position and the acknowledgements of a connection, against a dumb oracle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  AcknowledgeSchema,
  EnvelopesSchema,
  ForgetSchema,
  ResumeSchema,
  UnshownReason,
} from '@chappe/proto/device/device_service';
import fc from 'fast-check';
import { Uplink } from '../src/uplink.ts';
import { envelopes } from './shard-peer.ts';

test('whatever is pushed, dropped, repeated or attached anew, the device gets each number once and in order', () => {
  const acts = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('push' as const),
        skip: fc.integer({ min: -5, max: 3 }),
        count: fc.integer({ min: 1, max: 8 }),
      }),
      fc.record({ kind: fc.constant('attach' as const) }),
      fc.record({ kind: fc.constant('lose' as const) }),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(acts, (given) => {
      const uplink = new Uplink(create(ResumeSchema, { incarnation: 1 }));
      const got: number[] = [];
      for (const act of given) {
        const from = Math.max(1, got.length + 1 + (act.kind === 'push' ? act.skip : 0));
        if (act.kind === 'attach') uplink.reattach();
        if (act.kind === 'push' || act.kind === 'lose') {
          const pushed = envelopes(from, from + (act.kind === 'push' ? act.count : 1) - 1);
          const taken = uplink.take(pushed.incarnation, pushed.envelopes);
          const [first] = taken.kind === 'taken' ? taken.envelopes : [];
          if (taken.kind !== 'taken' || first === undefined) continue;
          if (act.kind === 'lose') uplink.rewind(first);
          else got.push(...taken.envelopes.map(({ number }) => Number(number)));
        }
      }
      assert.deepEqual(
        got,
        Array.from({ length: got.length }, (_, index) => index + 1),
      );
      assert.equal(Number(uplink.resume().number), got.length);
    }),
  );
});

test('a gap of removed envelopes continues, and a new incarnation begins anew', () => {
  const uplink = new Uplink(create(ResumeSchema, { incarnation: 1, number: 3n }));
  const gap = create(EnvelopesSchema, {
    incarnation: 1,
    envelopes: [{ number: 9n, removedFrom: 4n }, { number: 10n }],
  });
  assert.equal(uplink.take(1, gap.envelopes).kind, 'taken');
  assert.equal(uplink.resume().number, 10n);
  assert.equal(uplink.take(1, envelopes(12, 12).envelopes).kind, 'gap');
  assert.equal(uplink.take(2, envelopes(1, 2).envelopes).kind, 'taken');
  assert.deepEqual([uplink.resume().incarnation, uplink.resume().number], [2, 2n]);
  assert.equal(uplink.take(1, envelopes(11, 11).envelopes).kind, 'old');
});

test('NO-LOSS: what is left over from another attachment does not begin a count, for a new device as well', () => {
  const uplink = new Uplink(create(ResumeSchema));
  assert.equal(uplink.take(1, envelopes(11, 20).envelopes).kind, 'old');
  assert.equal(uplink.take(1, envelopes(1, 2).envelopes).kind, 'taken');
  assert.equal(uplink.take(2, envelopes(3, 3).envelopes).kind, 'gap');
  assert.deepEqual([uplink.resume().incarnation, uplink.resume().number], [1, 2n]);
});

test('what was not shown is said again to a new owner, until a commit has it', () => {
  const uplink = new Uplink(create(ResumeSchema));
  const unshown = [2n, 4n].map((number) => ({ number, reason: UnshownReason.EXPIRED }));
  uplink.acknowledge(create(AcknowledgeSchema, { incarnation: 1, through: 4n, unshown }));
  uplink.takeAcknowledge();
  uplink.forget(create(ForgetSchema, { incarnation: 1, through: 2n }));
  uplink.reattach();
  assert.deepEqual(
    uplink.takeAcknowledge()?.unshown.map(({ number }) => number),
    [4n],
  );
});

test('acknowledgements only grow, are repeated after an attach, and end with forget', () => {
  const uplink = new Uplink(create(ResumeSchema));
  const acknowledge = (incarnation: number, through: bigint, unreadable: bigint[] = []): boolean =>
    uplink.acknowledge(
      create(AcknowledgeSchema, { incarnation, through, undecryptable: unreadable.map((number) => ({ number })) }),
    );
  acknowledge(1, 5n, [4n]);
  acknowledge(1, 3n);
  const sent = uplink.takeAcknowledge();
  assert.deepEqual([sent?.through, sent?.undecryptable.map(({ number }) => number)], [5n, [4n]]);
  assert.equal(uplink.takeAcknowledge(), undefined);

  acknowledge(1, 8n, [7n]);
  assert.deepEqual(
    uplink.takeAcknowledge()?.undecryptable.map(({ number }) => number),
    [7n],
  );
  uplink.forget(create(ForgetSchema, { incarnation: 1, through: 5n }));
  uplink.reattach();
  const again = uplink.takeAcknowledge();
  assert.deepEqual([again?.through, again?.undecryptable.map(({ number }) => number)], [8n, [7n]]);

  uplink.forget(create(ForgetSchema, { incarnation: 1, through: 8n }));
  uplink.reattach();
  assert.equal(uplink.takeAcknowledge(), undefined);
  acknowledge(2, 1n);
  acknowledge(1, 9n);
  assert.deepEqual([uplink.takeAcknowledge()?.incarnation, uplink.takeAcknowledge()], [2, undefined]);
});
