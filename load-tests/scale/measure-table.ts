/**
 * What a table of 10,000 ranges and 500 shards costs etcd and the processes that follow it: its size, the writes of
 * reports, what each process reads, and how soon it knows that a shard or a zone has died.
 */
import type { Coordination, Operation } from '@chappe/coordination/coordination';
import { putRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { RoutingTable } from '@chappe/ranges/routing-table';
import { formatShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { countedCoordination, type Reads } from './counted-coordination.ts';
import { rangeAt, rangeCount, reporting, shardAt, shardCount } from './large-table.ts';

export interface Line {
  readonly what: string;
  readonly value: string;
}

const perTransaction = 60;
const reportSeconds = 15;
const reportsAtATime = 32;

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

export async function measureTable(open: () => Promise<Coordination>): Promise<Line[]> {
  const lines: Line[] = [];
  const say = (what: string, value: string): void => void lines.push({ what, value });
  await using writer = await open();
  const ranges = Array.from({ length: rangeCount }, (_, no) => rangeAt(no, shardAt(no % shardCount)));
  const shards = Array.from({ length: shardCount }, (_, no) => reporting(shardAt(no), ranges));
  const writtenMs = await timed(() =>
    write(writer, [...ranges.map(putRange), { kind: 'put', key: 'generation', value: '1' }]),
  );
  say(`${rangeCount} ranges written, ${perTransaction} in a transaction`, `${writtenMs.toFixed(0)} ms`);
  await write(
    writer,
    shards.map((info) => ({ kind: 'put', key: shardPrefix + info.id, value: formatShardInfo(info) })),
  );
  say('keys of ranges', kilobytes(await bytesOf(writer, rangePrefix)));
  say('keys of shards, with the load of 20 ranges each', kilobytes(await bytesOf(writer, shardPrefix)));
  const tableMs = await timed(async () => RoutingTable.of(ranges, 1));
  say('the table made from them', `${tableMs.toFixed(1)} ms`);
  const table = RoutingTable.of(ranges, 1);
  const finds = 1_000_000;
  const findMs = await timed(async () => {
    for (let no = 0; no < finds; no += 1) table.find(`${10_000 + (no % 90_000)}12345`);
  });
  say('the range of a number found', `${((findMs * 1_000_000) / finds).toFixed(0)} ns`);

  const reads: Reads = { lists: 0, bytes: 0 };
  await using reader = await open();
  await using watcher = await watchRoutingTable(countedCoordination(reader, reads));

  const [fromMs, cpuFromMs] = [performance.now(), cpuMs()];
  const times = await reports(writer, shards.map(formatShardInfo));
  const seconds = (performance.now() - fromMs) / 1_000;
  const perSecond = times.length / seconds;
  say(
    `reports that etcd takes, ${reportsAtATime} at a time (${shardCount} shards make ${shardCount})`,
    `${perSecond.toFixed(0)} a second`,
  );
  say('one of them, p99', `${(times[Math.floor(times.length * 0.99)] ?? NaN).toFixed(0)} ms`);
  const read = `${(reads.lists / seconds).toFixed(1)} lists, ${kilobytes(reads.bytes / seconds)}`;
  say('a process that follows them reads each second', read);
  say(
    'CPU of that process and of the writers',
    `${((cpuMs() - cpuFromMs) / seconds / 10).toFixed(0)} % of a processor`,
  );

  const dead = ranges.filter(({ owner }) => owner === 'sender-3');
  await change(`a shard with ${dead.length} ranges died`, dead);
  const zone = ranges.filter(({ owner }) => Number(owner?.split('-')[1]) % 2 === 0);
  await change(`a zone with ${zone.length} ranges died`, zone);
  return lines;

  async function change(what: string, moved: readonly Range[]): Promise<void> {
    Object.assign(reads, { lists: 0, bytes: 0 });
    const next = moved.map((range): Range => ({ ...range, owner: 'sender-1', epoch: range.epoch + 1 }));
    const last = next.at(-1);
    const startMs = performance.now();
    const known = (async () => {
      while (watcher.current()?.byId(last?.id ?? '')?.epoch !== last?.epoch) await watcher.changed();
      return performance.now() - startMs;
    })();
    const wroteMs = await timed(() => write(writer, next.map(putRange)));
    const knownMs = await known;
    say(`${what}: new owners written`, `${wroteMs.toFixed(0)} ms`);
    say(`${what}: a process knows all of them`, `${knownMs.toFixed(0)} ms after the first was written`);
    say(`${what}: it has read`, `${kilobytes(reads.bytes)} in ${reads.lists} lists`);
  }
}

async function write(coordination: Coordination, operations: readonly Operation[]): Promise<void> {
  for (let at = 0; at < operations.length; at += perTransaction)
    await coordination.transact([], operations.slice(at, at + perTransaction));
}

/** As fast as they go, a few at a time, in turn. @returns the ms that each took */
async function reports(coordination: Coordination, values: readonly string[]): Promise<number[]> {
  const times: number[] = [];
  const endMs = performance.now() + reportSeconds * 1_000;
  const writeInTurn = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const no = times.length % values.length;
      // Another text each time, as a report is.
      const value = `${values[no]}${' '.repeat(times.length % 9)}`;
      times.push(
        await timed(() => coordination.transact([], [{ kind: 'put', key: `${shardPrefix}sender-${no}`, value }])),
      );
    }
  };
  await Promise.all(Array.from({ length: reportsAtATime }, writeInTurn));
  return times.toSorted((a, b) => a - b);
}

async function bytesOf(coordination: Coordination, prefix: string): Promise<number> {
  const { entries } = await coordination.list(prefix);
  return entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1_000).toLocaleString('en')} kB`;
}
