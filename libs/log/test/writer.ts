/** Appends to the log at a path until it is killed or the log is unavailable; prints what was acknowledged. */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { makeRecord } from '../src/conformance-harness.ts';
import { openSqliteLog } from '../src/sqlite-log.ts';

const [, , path = ''] = process.argv;
const log = await openSqliteLog({ path });
await log.createTopic('t');

async function writeOn(): Promise<void> {
  for (;;) {
    const records = Array.from({ length: 3 }, () => makeRecord(randomUUID(), new Uint8Array(500)));
    const [result] = await log.append([{ topic: 't', records }]);
    if (result?.kind !== 'appended') {
      if (result?.error.kind !== 'unavailable')
        throw new Error('the append failed otherwise', { cause: result?.error });
      return;
    }
    writeSync(1, records.map(({ headers }) => `${headers.id}\n`).join(''));
  }
}

await Promise.all([writeOn(), writeOn(), writeOn()]);
