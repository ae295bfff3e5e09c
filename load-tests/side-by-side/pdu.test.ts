import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command, cString, decodeSubmit, encodePdu, encodeReceipt, splitPdus } from './smpp/pdu.ts';

/** A submit_sm as the specification lays it out (SMPP 3.4, table 4-10), written by hand. */
function submitOf(text: string): Buffer {
  return Buffer.concat([
    Buffer.from('\0', 'latin1'), // service_type
    Buffer.from([1, 1]),
    Buffer.from('33123456789\0', 'latin1'),
    Buffer.from([1, 1]),
    Buffer.from('33612000000\0', 'latin1'),
    Buffer.from([0, 0, 0]), // esm_class, protocol_id, priority_flag
    Buffer.from('\0\0', 'latin1'), // schedule_delivery_time, validity_period
    Buffer.from([1, 0, 0, 0, text.length]),
    Buffer.from(text, 'latin1'),
  ]);
}

test('PDUs are the same however the connection cuts them', () => {
  const bytes = Buffer.concat([
    encodePdu(command.submitSm, 7, submitOf('one')),
    encodePdu(command.enquireLink, 8),
    encodePdu(command.submitSm, 9, submitOf('two')),
  ]);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const first = splitPdus(bytes.subarray(0, cut));
    const second = splitPdus(Buffer.concat([first.rest, bytes.subarray(cut)]));
    const pdus = [...first.pdus, ...second.pdus];
    assert.deepEqual(
      pdus.map(({ sequence }) => sequence),
      [7, 8, 9],
    );
    assert.equal(second.rest.length, 0);
  }
});

test('a length that no PDU has is refused', () => {
  assert.throws(() => splitPdus(Buffer.alloc(16)), /PDU of 0 bytes/);
});

test('a submit_sm gives sender, receiver, text and the wish for a receipt', () => {
  assert.deepEqual(decodeSubmit(submitOf('5k Hello')), {
    sender: '33123456789',
    receiver: '33612000000',
    wantsReceipt: true,
    text: '5k Hello',
  });
});

test('a receipt goes back to the sender and names the message three ways', () => {
  const body = encodeReceipt(decodeSubmit(submitOf('5k Hello')), '1000001', new Date('2026-01-02T03:04:05Z'));
  const receipt = decodeSubmit(body);
  assert.deepEqual([receipt.sender, receipt.receiver], ['33612000000', '33123456789']);
  assert.equal(
    receipt.text,
    'id:1000001 sub:001 dlvrd:001 submit date:2601020304 done date:2601020304 stat:DELIVRD err:000 text:',
  );
  const options = body.subarray(body.indexOf(receipt.text, 'latin1') + receipt.text.length);
  assert.deepEqual(options, Buffer.concat([Buffer.from([0x04, 0x27, 0, 1, 2, 0, 0x1e, 0, 8]), cString('1000001')]));
});
