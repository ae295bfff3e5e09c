import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSockets, trafficBetween } from './traffic.ts';

const lines = (sent: number): string =>
  [
    `0 0 127.0.0.1:40000 127.0.0.1:13306 users:(("node",pid=7,fd=20)) cubic wscale:7,7 bytes_sent:${sent + 9} bytes_acked:${sent} bytes_received:50`,
    `0 0 [::ffff:127.0.0.1]:13306 [::ffff:127.0.0.1]:40000 users:(("mariadbd",pid=9,fd=31)) cubic bytes_acked:${sent / 10}`,
    '0 0 127.0.0.1:50000 127.0.0.1:22 users:(("sshd",pid=99,fd=3)) bytes_acked:1000000',
    '0 0 127.0.0.1:22 127.0.0.1:50000',
  ].join('\n');

const processes = [
  { name: 'sender-a1', part: 'sender', pid: 7 },
  { name: 'mariadb-a', part: 'mariadb', pid: 9 },
];

test('what each part has sent to another one between two moments is found by both ends of a connection', () => {
  const traffic = trafficBetween(readSockets(lines(1_000)), readSockets(lines(5_000)), processes);
  assert.deepEqual(traffic, { 'sender > mariadb': 4_000, 'mariadb > sender': 400 });
});

test('a connection that is new counts from its first byte', () => {
  assert.deepEqual(trafficBetween([], readSockets(lines(500)), processes), {
    'sender > mariadb': 500,
    'mariadb > sender': 50,
  });
});
