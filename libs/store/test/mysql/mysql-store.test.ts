/** The MySQL store: the conformance suite on the server that the environment names. */
import { storeConformance } from '../../src/conformance.ts';
import type { StoreHarness } from '../../src/conformance-harness.ts';
import { openMysqlStore } from '../../src/mysql-store.ts';
import { ownDatabase, skipWithoutServer } from './own-database.ts';

if (skipWithoutServer === false) {
  storeConformance('MySQL', async (): Promise<StoreHarness> => {
    const database = await ownDatabase();
    const store = await openMysqlStore(database.options);
    let current = store;
    return {
      store,
      async reopen() {
        await current[Symbol.asyncDispose]();
        current = await openMysqlStore(database.options);
        return current;
      },
      makeDead: async () => store[Symbol.asyncDispose](),
      async [Symbol.asyncDispose]() {
        await current[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  });
}
