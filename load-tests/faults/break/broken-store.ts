/** A store in which one rule is broken. */
import type { SqlValue, Store, Transaction } from '@chappe/store/store';
import type { NewestStates } from './newest-states.ts';
import type { Rule } from './rules.ts';

/** The worker's compare-and-set; the first of its conditions is the range. */
const fence = /^\s*UPDATE range_progress\s+SET next_offset/;
/** A worker's claim of a range; so it is in that one. */
const claim = /^\s*UPDATE range_progress\s+SET epoch/;

export interface StoreBreak {
  readonly rule: Rule;
  /** What this process has committed. */
  readonly newest: NewestStates;
  /** Ends this process, now. */
  readonly die: () => void;
  /** Commits until it dies between an offset and its effects. */
  readonly commitsBeforeDeath: number;
  /** Called behind the fence of each transaction. */
  readonly behindFence?: () => void;
}

export function brokenStore(store: Store, how: StoreBreak): Store {
  const state: State = { saved: new Set(), commits: 0 };
  const isLost = (sql: string): boolean => how.rule === 'repeats_let_through' && isAboutIds(sql);
  return {
    dialect: store.dialect,
    query: async (sql, parameters) => (isLost(sql) ? [] : store.query(sql, parameters)),
    queryAll: (queries) => store.queryAll(queries),
    transaction: (work) => store.transaction((tx) => work(brokenTransaction(store, tx, how, state))),
    endHolder: (sql, parameters) => store.endHolder(sql, parameters),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

interface State {
  /** Sessions that were saved once. */
  readonly saved: Set<string>;
  commits: number;
}

function isAboutIds(sql: string): boolean {
  return sql.startsWith('SELECT message_id FROM messages WHERE message_id IN');
}

/** Which of the parameters is the range. */
function rangePlaceIn(sql: string): number {
  const [set = ''] = sql.split('WHERE');
  return set.split('?').length - 1;
}

async function forgetDone(rule: Rule, tx: Transaction, rangeId: SqlValue): Promise<void> {
  const passed = 'UPDATE range_progress SET next_offset = last_offset + 1, done_beyond = ? WHERE range_id = ?';
  const forgotten = 'UPDATE range_progress SET done_beyond = ? WHERE range_id = ?';
  if (rule === 'undone_passed') await tx.run(passed, [new Uint8Array(0), rangeId]);
  if (rule === 'done_forgotten') await tx.run(forgotten, [new Uint8Array(0), rangeId]);
}

/** A session's row is its contact, number and device first. */
function isNew(saved: Set<string>, row: readonly SqlValue[]): boolean {
  const name = row.slice(0, 3).join(' ');
  const isFirst = !saved.has(name);
  saved.add(name);
  return isFirst;
}

function brokenTransaction(store: Store, tx: Transaction, how: StoreBreak, state: State): Transaction {
  const { rule, newest } = how;
  const run: Transaction['run'] = async (sql, parameters = []) => {
    if (rule === 'fence_out' && fence.test(sql)) {
      const [set = ''] = sql.split('WHERE');
      return tx.run(`${set} WHERE range_id = ?`, parameters.slice(0, rangePlaceIn(sql) + 1));
    }
    if (rule === 'offset_before_effects' && fence.test(sql)) {
      const matched = await store.transaction((own) => own.run(sql, parameters));
      state.commits += 1;
      if (state.commits === how.commitsBeforeDeath) how.die();
      return matched;
    }
    const matched = await tx.run(sql, parameters);
    if (claim.test(sql) && matched === 1) await forgetDone(rule, tx, parameters[rangePlaceIn(sql)] ?? '');
    if (fence.test(sql)) how.behindFence?.();
    return matched;
  };
  const insert: Transaction['insert'] = async (table, rows, onConflict) => {
    if (rule === 'keys_forgotten' && table.name === 'request_keys') {
      await tx.insert(table, rows, onConflict);
      return rows.length;
    }
    // Else the keys of what its successor has written would stand in for the fence.
    if (rule === 'fence_out' && onConflict === 'fail') return tx.insert(table, rows, 'replace');
    if (rule === 'session_restored' && table.name === 'sessions')
      return tx.insert(
        table,
        rows.filter((row) => isNew(state.saved, row)),
        onConflict,
      );
    if (rule === 'outbox_from_state' && table.name === 'outbox') {
      for (const value of rows.flat()) if (value instanceof Uint8Array) newest.note(value);
    }
    if (rule === 'charge_lost' && table.name === 'ledger') {
      // Numbers of entries stay dense: the last ones of a batch are missing.
      return tx.insert(table, rows.slice(0, -1), onConflict);
    }
    return tx.insert(table, rows, onConflict);
  };
  return {
    connectionId: tx.connectionId,
    run,
    runMany: (sql, lists) => tx.runMany(sql, lists),
    query: async (sql, parameters) =>
      rule === 'repeats_let_through' && isAboutIds(sql) ? [] : tx.query(sql, parameters),
    queryAll: (queries) => tx.queryAll(queries),
    queryForUpdate: (sql, parameters) => tx.queryForUpdate(sql, parameters),
    insert,
  };
}
