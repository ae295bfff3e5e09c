/**
 * Deletes what a range left behind in the store that it was moved away from, page by page, and its fence row last.
 *
 * Each transaction begins at that row, so that nothing is deleted once it is gone: the same numbers may have come back
 * to this store by then. Two that do it at once delete the same.
 */
import { Rollback, type Store, type Transaction } from '@chappe/store/store';
import { deleteRows, pageQuery, type Interval } from './row-pages.ts';
import { contactTables } from './tables.ts';

/** Whether all of it is gone. @throws StoreError; can be called again */
export async function deleteLeftovers(
  store: Store,
  range: Interval & { readonly id: string },
  signal: AbortSignal,
): Promise<boolean> {
  for (const table of contactTables) {
    for (;;) {
      if (signal.aborted) return false;
      const query = pageQuery(table, range, []);
      const rows = await store.query(query.sql, query.parameters);
      if (rows.length === 0) break;
      if (!(await ifDrained(store, range.id, (tx) => deleteRows(tx, table, rows)))) return true;
    }
  }
  await ifDrained(store, range.id, async (tx) => {
    await tx.run('DELETE FROM range_progress WHERE range_id = ?', [range.id]);
  });
  return true;
}

/** False: its row is gone, and with it everything. */
function ifDrained(store: Store, rangeId: string, write: (tx: Transaction) => Promise<void>): Promise<boolean> {
  return store.transaction(async (tx): Promise<boolean> => {
    const matched = await tx.run(
      "UPDATE range_progress SET commit_no = commit_no + 1, holder = ? WHERE range_id = ? AND state = 'drained'",
      [tx.connectionId, rangeId],
    );
    if (matched !== 1) throw new Rollback(false);
    await write(tx);
    return true;
  });
}
