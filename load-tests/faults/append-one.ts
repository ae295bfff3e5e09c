import type { Append, AppendResult, Log } from '@chappe/log/log';

/** What became of a single append. */
export async function appendOne(log: Log, append: Append): Promise<AppendResult> {
  const [result] = await log.append([append]);
  if (result === undefined) throw new Error('an append was not answered');
  return result;
}
