/** The store, as the rule has it. */
import * as original from '@chappe/drivers/store-driver';
import type { SqlValue, Store, Transaction } from '@chappe/store/store';
import { existsSync, rmSync } from 'node:fs';
import { noteStates } from './newest-states.ts';
import { ruleOf } from './rules.ts';

/** A file; once it is there, the next transaction stops behind its fence. */
const trigger = process.env['CHAPPE_TEST_TRIGGER'] ?? '';
const rule = ruleOf(import.meta.url);

/** The worker's compare-and-set; the first of its conditions is the range. */
const fence = /^\s*UPDATE range_progress\s+SET next_offset/;
/** Commits until the process dies between an offset and its effects. */
const commitsBeforeDeath = 40;

export const { storeVariables } = original;

export async function openStore(...options: Parameters<typeof original.openStore>): Promise<Store> {
  const store = await original.openStore(...options);
  return {
    dialect: store.dialect,
    query: async (sql, parameters) => (isForgotten(sql) ? [] : store.query(sql, parameters)),
    queryAll: (queries) => store.queryAll(queries),
    transaction: (work) => store.transaction((tx) => work(breakTransaction(store, tx))),
    endHolder: (sql, parameters) => store.endHolder(sql, parameters),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function isForgotten(sql: string): boolean {
  return rule === 'repeats_let_through' && sql.startsWith('SELECT message_id FROM messages WHERE message_id IN');
}

const saved = new Set<string>();

/** A session's row is its contact, number and device first. */
function isNew(row: readonly SqlValue[]): boolean {
  const name = row.slice(0, 3).join(' ');
  const isFirst = !saved.has(name);
  saved.add(name);
  return isFirst;
}

let commits = 0;

function breakTransaction(store: Store, tx: Transaction): Transaction {
  const run: Transaction['run'] = async (sql, parameters = []) => {
    if (rule === 'fence_out' && fence.test(sql)) {
      const [set = ''] = sql.split('WHERE');
      const parametersOfSet = set.split('?').length - 1;
      return tx.run(`${set} WHERE range_id = ?`, parameters.slice(0, parametersOfSet + 1));
    }
    if (rule === 'offset_before_effects' && fence.test(sql)) {
      const matched = await store.transaction((own) => own.run(sql, parameters));
      commits += 1;
      if (commits === commitsBeforeDeath) process.kill(process.pid, 'SIGKILL');
      return matched;
    }
    const matched = await tx.run(sql, parameters);
    if (rule === 'frozen_inside_transaction' && fence.test(sql) && existsSync(trigger)) {
      rmSync(trigger, { force: true });
      process.kill(process.pid, 'SIGSTOP');
    }
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
      return tx.insert(table, rows.filter(isNew), onConflict);
    if (rule === 'outbox_from_state' && table.name === 'outbox') {
      for (const value of rows.flat()) if (value instanceof Uint8Array) noteStates(value);
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
    query: async (sql, parameters) => (isForgotten(sql) ? [] : tx.query(sql, parameters)),
    queryAll: (queries) => tx.queryAll(queries),
    queryForUpdate: (sql, parameters) => tx.queryForUpdate(sql, parameters),
    insert,
  };
}
