import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import type { LogRecord } from '@chappe/log/log';
import { phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import { CiphertextType } from '@chappe/proto/device/device_service';
import { CommandSchema } from '@chappe/proto/internal/commands';
import { ContactCache } from '../src/contact-cache.ts';
import { cutBatch } from '../src/cut-batch.ts';
import { batchBytesMax, batchCryptoMsMax, batchRecordsMax, cryptoCostMs } from '../src/limits.ts';
import { readCommand, type ReadableCommand } from '../src/read-commands.ts';
import type { ContactState } from '../src/state.ts';
import { number, Person, type CommandInit } from './person.ts';

function read(kind: CommandInit, options: { key?: string } = {}): ReadableCommand {
  const names = { optIn: 'opt_in', optOut: 'opt_out', deviceRegistered: 'device_registered' } as const;
  const name = kind.case === undefined ? 'tick' : (names[kind.case as 'optIn'] ?? kind.case);
  const record: LogRecord = {
    key: options.key ?? '33612345678',
    headers: { kind: name, id: 'id', version: 1 },
    value: toBinary(CommandSchema, create(CommandSchema, { kind })),
    offset: 0,
    appendTimeMs: 0,
  };
  const command = readCommand(record, 0);
  assert.ok(command.kind !== 'unknown');
  return command;
}

const send: CommandInit = { case: 'send', value: { number } };
const optIn: CommandInit = { case: 'optIn', value: { business: 'air' } };
const person = Person.reachable();
const stateOf = (): ContactState => person.state;

test('a batch ends at its number of records', () => {
  assert.equal(
    cutBatch(
      Array.from({ length: batchRecordsMax + 1 }, () => read(optIn)),
      stateOf,
    ),
    batchRecordsMax,
  );
});

test('a batch ends at its crypto time: new sessions fill it first', () => {
  const count = cutBatch(
    Array.from({ length: 200 }, () => read(send)),
    stateOf,
  );
  assert.equal(count, Math.floor(batchCryptoMsMax / (cryptoCostMs.encrypt + cryptoCostMs.newSession)));
});

test('a batch ends at its bytes, and has at least one record', () => {
  const large: CommandInit = { case: 'send', value: { number, sealedBody: new Uint8Array(batchBytesMax * 0.6) } };
  assert.equal(cutBatch([read(large), read(large)], stateOf), 1);
  const huge: CommandInit = { case: 'send', value: { number, sealedBody: new Uint8Array(batchBytesMax * 2) } };
  assert.equal(cutBatch([read(huge)], stateOf), 1);
});

test('a batch ends before what a device sent whose registration is in it', () => {
  const registered: CommandInit = { case: 'deviceRegistered', value: { device: 2 } };
  const inbound: CommandInit = { case: 'inbound', value: { device: 2, type: CiphertextType.PRE_KEY } };
  assert.equal(cutBatch([read(optIn), read(registered), read(send), read(inbound)], stateOf), 3);
  const other = { key: '33612345679' };
  assert.equal(cutBatch([read(registered), read(inbound, other)], stateOf), 2);
});

test('a command without a readable key is nobody’s, one that cannot be decoded is its contact’s', () => {
  assert.equal(read(optIn, { key: 'somebody' }).kind, 'dead');
  assert.equal(read({ case: undefined }).kind, 'poison');
  const garbage: LogRecord = {
    key: '33612345678',
    headers: { kind: 'send', id: 'id', version: 1 },
    value: Uint8Array.of(255, 255, 255),
    offset: 0,
    appendTimeMs: 0,
  };
  assert.equal(readCommand(garbage, 0).kind, 'poison');
});

test('BOUND: the cache keeps to its bytes, drops who was used longest ago, and always holds the last', () => {
  const cache = new ContactCache(() => 3 * 1_300);
  const states = [1, 2, 3, 4].map((digit) => ({
    ...new Person().state,
    number: phoneNumberFromDigits(`3361234567${digit}`),
  }));
  for (const state of states.slice(0, 3)) cache.set(state);
  assert.equal(cache.size, 3);
  cache.get('33612345671');
  for (const state of states.slice(3)) cache.set(state);
  assert.equal(cache.get('33612345672'), undefined);
  assert.equal(cache.get('33612345671'), states[0]);
  const grown = states[3];
  assert.ok(grown !== undefined);
  grown.sessions.set('x', { sealed: new Uint8Array(10_000) } as never);
  cache.set(grown);
  assert.equal(cache.size, 1);
  assert.equal(cache.get(grown.number), grown);
});
