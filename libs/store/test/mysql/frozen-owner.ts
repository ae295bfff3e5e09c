/**
 * Locks a row, writes its connection's id into it, prints a line and goes on when it reads one: prints
 * how its commit ended. Between the two it is stopped by the test.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { openMysqlStore } from '../../src/mysql-store.ts';
import type { MysqlStoreOptions } from '../../src/mysql-store.ts';
import { StoreError } from '../../src/store.ts';

const [, , options = ''] = process.argv;
await using store = await openMysqlStore(JSON.parse(options) as MysqlStoreOptions);
try {
  await store.transaction(async (tx) => {
    await tx.run("UPDATE fences SET owner = 'frozen', connection_id = ?", [tx.connectionId]);
    writeSync(1, 'locked\n');
    await once(process.stdin, 'data');
    await tx.run("UPDATE fences SET owner = 'frozen and awake'");
  });
  writeSync(1, 'committed\n');
} catch (error) {
  writeSync(1, `${error instanceof StoreError ? error.kind : String(error)}\n`);
}
process.stdin.destroy();
