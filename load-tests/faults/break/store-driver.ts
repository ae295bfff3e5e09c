/** The store, as the rule has it. */
import * as original from '@chappe/drivers/store-driver';
import type { OpenStore } from '@chappe/ranges/stores';
import type { Store } from '@chappe/store/store';
import { existsSync, rmSync } from 'node:fs';
import { brokenStore } from './broken-store.ts';
import { newestOfProcess } from './newest-states.ts';
import { ruleOf } from './rules.ts';

/** A file; once it is there, the next transaction stops behind its fence. */
const trigger = process.env['CHAPPE_TEST_TRIGGER'] ?? '';
const rule = ruleOf(import.meta.url);
const commitsBeforeDeath = 40;

export const { storeVariables, rangeStoreVariables, storeAddressOf } = original;

export async function openStore(...options: Parameters<typeof original.openStore>): Promise<Store> {
  return broken(await original.openStore(...options));
}

export function storeOpener(...options: Parameters<typeof original.storeOpener>): OpenStore {
  const open = original.storeOpener(...options);
  return async (...at) => broken(await open(...at));
}

function broken(store: Store): Store {
  return brokenStore(store, {
    rule,
    newest: newestOfProcess,
    commitsBeforeDeath,
    die: () => process.kill(process.pid, 'SIGKILL'),
    behindFence: freezeOnce,
  });
}

function freezeOnce(): void {
  if (rule !== 'frozen_inside_transaction' || !existsSync(trigger)) return;
  rmSync(trigger, { force: true });
  process.kill(process.pid, 'SIGSTOP');
}
