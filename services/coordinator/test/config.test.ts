import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placementOf, readConfig } from '../src/config.ts';

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
  assert.throws(() => boundsOf(many), /CHAPPE_INITIAL_BOUNDS.*at most 125 bounds/);
});

test('without variables of scaling and Kubernetes nothing of it is there', () => {
  assert.deepEqual(placementOf(readConfig(environment)), {});
});

test('variables that need each other are named, with what is missing', () => {
  const read = (more: Record<string, string>) => () => readConfig({ ...environment, ...more });
  assert.throws(
    read({ CHAPPE_SENDERS_APPLY: 'true' }),
    /CHAPPE_SENDERS_MOST: give it as well.*CHAPPE_KUBERNETES_STATEFUL_SET/s,
  );
  assert.throws(read({ CHAPPE_SENDERS_LEAST: '4', CHAPPE_SENDERS_MOST: '3' }), /below CHAPPE_SENDERS_LEAST/);
  assert.throws(read({ CHAPPE_KUBERNETES_STATEFUL_SET: 's' }), /CHAPPE_KUBERNETES_POD_LABELS: give it as well/);
  assert.throws(read({ CHAPPE_SENDERS_MOST: '3', CHAPPE_SENDERS_AIM: '100' }), /from 10 to 95/);
  assert.throws(read({ CHAPPE_SENDERS_QUIET_SECONDS: '5' }), /CHAPPE_SENDERS_QUIET_SECONDS.*from 30 to 86400/);
  assert.throws(read({ CHAPPE_SENDERS_DRAIN_SECONDS: '5' }), /CHAPPE_SENDERS_DRAIN_SECONDS.*from 20 to 3600/);
});
