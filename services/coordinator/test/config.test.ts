import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../src/config.ts';

const environment = { CHAPPE_KAFKA_BROKERS: '127.0.0.1:9092', CHAPPE_ETCD_ENDPOINTS: '127.0.0.1:2379' };

test('bounds that do not ascend, or are too many for one transaction, are refused at the start', () => {
  const boundsOf = (text: string): string => {
    return readConfig({ ...environment, CHAPPE_INITIAL_BOUNDS: text }).CHAPPE_INITIAL_BOUNDS;
  };
  assert.equal(boundsOf(''), '');
  assert.equal(boundsOf('3,4,5'), '3,4,5');
  assert.throws(() => boundsOf('5,3'), /CHAPPE_INITIAL_BOUNDS.*not beyond the one before/);
  assert.throws(() => boundsOf('3,3'), /CHAPPE_INITIAL_BOUNDS.*not beyond the one before/);
  const many = Array.from({ length: 127 }, (_, index) => `${1_000 + index}`).join(',');
  assert.throws(() => boundsOf(many), /CHAPPE_INITIAL_BOUNDS.*at most 126 bounds/);
});
