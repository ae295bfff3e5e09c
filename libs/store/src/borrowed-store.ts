/** A store that somebody else closes. */
import type { Store } from './store.ts';

export function borrowed(store: Store): Store {
  return {
    dialect: store.dialect,
    query: (sql, parameters) => store.query(sql, parameters),
    queryAll: (queries) => store.queryAll(queries),
    transaction: (work) => store.transaction(work),
    endHolder: (sql, parameters) => store.endHolder(sql, parameters),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
