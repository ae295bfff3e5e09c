/**
 * The stores of ranges of a standalone node: the node's own file, and others that the operator adds, in the data folder as well
 * (`sqlite:store-<name>.sqlite`, without a path, so that the folder can be moved). Each is opened once: one process writes to a file.
 */
import { basename, join } from 'node:path';
import type { OpenStore } from '@chappe/ranges/stores';
import { borrowed } from '@chappe/store/borrowed-store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { StoreError, type Store } from '@chappe/store/store';
import { expectMark, readMark } from '@chappe/store/store-mark';

export interface StoresInFolder extends AsyncDisposable {
  /** The address of the node's own. */
  readonly first: string;
  readonly open: OpenStore;
}

export function storesIn(folder: string, path: string, own: Store): StoresInFolder {
  const first = `sqlite:${basename(path)}`;
  const opened = new Map<string, Promise<Store>>([[first, Promise.resolve(own)]]);
  return {
    first,
    open: async ({ address }, mark) => {
      const known = opened.get(address);
      const name = /^sqlite:(store-[A-Za-z0-9_-]+\.sqlite)$/.exec(address)?.[1];
      if (known === undefined && name === undefined)
        throw new StoreError(
          'invalid',
          'a store of a standalone node is a file of its folder, like sqlite:store-second.sqlite',
        );
      const opening = known ?? openSqliteStore({ path: join(folder, name ?? '') });
      opened.set(address, opening);
      opening.catch(() => opened.delete(address));
      const store = await opening;
      if (mark !== undefined) expectMark(await readMark(store), mark, address);
      return borrowed(store);
    },
    [Symbol.asyncDispose]: async () => {
      opened.delete(first);
      await Promise.allSettled([...opened.values()].map(async (store) => (await store)[Symbol.asyncDispose]()));
    },
  };
}
