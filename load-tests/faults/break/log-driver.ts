/** The log, as the rule has it. */
import * as original from '@chappe/drivers/log-driver';
import type { Log } from '@chappe/log/log';
import { brokenLog } from './broken-log.ts';
import { newestOfProcess } from './newest-states.ts';
import { ruleOf } from './rules.ts';

const rule = ruleOf(import.meta.url);

export const { logVariables } = original;

export async function openLog(...options: Parameters<typeof original.openLog>): Promise<Log> {
  return brokenLog(rule, await original.openLog(...options), newestOfProcess);
}
