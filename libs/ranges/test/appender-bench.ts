/** A command appender on the embedded drivers, with a tap between it and the log. */
import type { Coordination, Operation } from '@chappe/coordination/coordination';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { LogError } from '@chappe/log/log-error';
import type { Append, AppendResult, Log, NewRecord } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandAppender } from '../src/command-appender.ts';
import type { AppenderLimits } from '../src/limits.ts';
import { formatRange, topicOf, type Range } from '../src/range.ts';
import { watchRoutingTable, type TableWatcher } from '../src/table-watcher.ts';

export interface Bench extends AsyncDisposable {
  readonly log: Log;
  readonly coordination: Coordination;
  readonly watcher: TableWatcher;
  readonly appender: CommandAppender;
  /** The appends that were asked for, as sizes of batches. */
  readonly batches: number[];
  /** What the next appends meet; undefined lets one through. */
  readonly faults: (((append: Append) => Promise<AppendResult | undefined>) | undefined)[];
  route(...ranges: Range[]): Promise<void>;
  ids(rangeId: string): Promise<string[]>;
}

export async function openBench(ranges: readonly Range[], limits: Partial<AppenderLimits> = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-ranges-'));
  const real = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  const coordination = await openEmbeddedCoordination({});
  const watcher = await watchRoutingTable(coordination);
  const batches: number[] = [];
  const faults: Bench['faults'] = [];
  const log: Pick<Log, 'append'> = {
    append: async (appends) => {
      const [append] = appends;
      assert.ok(append !== undefined && appends.length === 1);
      batches.push(append.records.length);
      const result = await faults.shift()?.(append);
      return result === undefined ? real.append(appends) : [result];
    },
  };
  const appender = new CommandAppender({ log, table: watcher, limits: { repeatMs: 1, ...limits } });
  let generation = 0;
  const bench: Bench = {
    log: real,
    coordination,
    watcher,
    appender,
    batches,
    faults,
    route: async (...table) => {
      generation += 1;
      const puts = table.map((range): Operation => ({
        kind: 'put',
        key: `ranges/${range.id}`,
        value: formatRange(range),
      }));
      for (const { topic } of table) await real.createTopic(topic);
      const changed = watcher.changed();
      await coordination.transact([], [...puts, { kind: 'put', key: 'generation', value: String(generation) }]);
      await changed;
    },
    ids: async (rangeId) => (await real.readAt(topicOf(rangeId), 0, 100)).map(({ headers }) => headers.id),
    [Symbol.asyncDispose]: async () => {
      await appender[Symbol.asyncDispose]();
      await watcher[Symbol.asyncDispose]();
      await coordination[Symbol.asyncDispose]();
      await real[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
  if (ranges.length > 0) await bench.route(...ranges);
  return bench;
}

export function send(
  { appender }: Bench,
  contact: PhoneNumber,
  id: string,
  bytes = 1,
): ReturnType<CommandAppender['append']> {
  const record: NewRecord = { key: contact, headers: { kind: 'send', id, version: 1 }, value: new Uint8Array(bytes) };
  return appender.append(contact, record);
}

export function rangeOf(id: string, start: string, end: string): Range {
  return {
    id,
    start,
    end,
    state: 'active',
    owner: undefined,
    ownerInstance: undefined,
    epoch: 0,
    topic: topicOf(id),
    store: 'main',
  };
}

export function away(): AppendResult {
  return { kind: 'failed', error: new LogError('unavailable', 'away') };
}

/** Lets everything that can go on without the outside do so. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
