/** Puts keys, with and without a lease, until it is killed; prints each durable key with its revision. */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { put } from '../src/conformance-harness.ts';
import { openEmbeddedCoordination } from '../src/embedded-coordination.ts';

const [, , path = ''] = process.argv;
const coordination = await openEmbeddedCoordination({ path });
const lease = await coordination.grantLease(10_000);
for (;;) {
  const id = randomUUID();
  await put(coordination, `leased/${id}`, '1', lease);
  const revision = await put(coordination, `durable/${id}`, '1');
  writeSync(1, `durable/${id} ${revision}\n`);
}
