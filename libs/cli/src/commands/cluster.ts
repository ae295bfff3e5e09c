/** `chappe ranges`, `chappe shards` and `chappe drain`: what the cluster looks like, and emptying a shard. For the operator. */
import {
  ListRangesResponseSchema,
  ListShardsResponseSchema,
  type ListRangesResponse,
  type Range,
  type Shard,
} from '@chappe/proto/v1/cluster_service';
import type { Command } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { withOperator } from '../connect.ts';
import { ExitCode } from '../exit-code.ts';
import { formatCount } from '../format.ts';
import { asOperator, examples, type OperatorOptions } from '../options.ts';
import { note, printMessage } from '../output.ts';
import { formatTable } from '../table.ts';

/** Ranges move within a second; a sender under load finishes its turn first. */
const drainMsMax = 15_000;
const drainLookMs = 100;

/** What else wants a shard without ranges, and how that ends. */
const stillDrained = new Map([
  ['node', 'its node is about to be emptied; `kubectl uncordon` ends that'],
  ['scaling', 'there are to be fewer senders, and it is the one that goes'],
]);

interface RangeOptions extends OperatorOptions {
  readonly problems?: boolean;
  readonly check?: boolean;
}

export function clusterCommands(program: Command): void {
  asOperator(
    program
      .command('ranges')
      .description('which ranges of numbers exist, and who works on them (operator)')
      .option('--problems', 'only those that nobody gets on with')
      .option('--check', 'end with 1 if there is one of those, or no range at all'),
  ).action(ranges);
  asOperator(program.command('shards').description('the senders and their load (operator)')).action(listShards);
  asOperator(
    program
      .command('drain')
      .description('give the ranges of a sender to the others, and none to it, until --undo (operator)')
      .argument('<shard>', 'its id, of `chappe shards`')
      .option('--undo', 'it may have ranges again'),
  )
    .addHelpText('after', examples('chappe drain sender-a1', 'chappe drain sender-a1 --undo'))
    .action(drain);
}

async function drain(shard: string, options: OperatorOptions & { readonly undo?: boolean }): Promise<void> {
  await withOperator(options, async ({ cluster }) => {
    const { drainedBy } = await cluster.drainShard({ shard, undo: options.undo === true });
    if (options.undo === true) {
      note(
        drainedBy.length === 0
          ? `${shard} gets its share of the ranges again`
          : `${shard} gets none yet: ${drainedBy.map((drainer) => stillDrained.get(drainer) ?? drainer).join('; ')}`,
      );
      return;
    }
    const endMs = performance.now() + drainMsMax;
    for (;;) {
      const found = (await cluster.listShards({})).shards.find(({ id }) => id === shard);
      if (found === undefined || found.ranges === 0) {
        note(`${shard} has no ranges now, and gets none until \`chappe drain ${shard} --undo\``);
        return;
      }
      if (performance.now() > endMs) {
        note(`${shard} still has ${found.ranges} ranges: is there another shard, and a coordinator?`);
        process.exitCode = ExitCode.failed;
        return;
      }
      await pause(drainLookMs);
    }
  });
}

async function ranges(options: RangeOptions): Promise<void> {
  const response = await withOperator(options, (client) => client.cluster.listRanges({}));
  const isWell = response.ranges.length > 0 && response.ranges.every(({ problem }) => problem === '');
  if (options.check === true && !isWell) process.exitCode = ExitCode.failed;
  if (options.problems === true) response.ranges = response.ranges.filter(({ problem }) => problem !== '');
  printMessage(options, ListRangesResponseSchema, response, (answer) =>
    answer.ranges.length === 0
      ? `no range has a problem; generation ${answer.generation}`
      : `${rangeTable(answer.ranges)}\n\n${rangeTotals(answer)}`,
  );
}

/** Ordered by number; what does not get on is marked at both ends of its line. */
function rangeTable(all: readonly Range[]): string {
  return formatTable(
    [
      { title: '' },
      { title: 'RANGE' },
      { title: 'FROM' },
      { title: 'TO' },
      { title: 'SHARD' },
      { title: 'ZONE' },
      { title: 'STORE' },
      { title: 'EPOCH', align: 'right' },
      { title: 'LAG', align: 'right' },
      { title: 'PER SECOND', align: 'right' },
      { title: 'STATE' },
    ],
    all.map((range) => [
      range.problem === '' ? ' ' : '!',
      range.id,
      range.start === '' ? 'first' : `+${range.start}`,
      range.end === '' ? 'last' : `+${range.end}`,
      range.owner || '-',
      range.zone || '-',
      range.store,
      String(range.epoch),
      formatCount(range.lag),
      range.rate.toFixed(1),
      range.problem === '' ? range.state : range.problem,
    ]),
  );
}

function rangeTotals({ ranges: all, generation }: ListRangesResponse): string {
  const lag = all.reduce((sum, range) => sum + range.lag, 0n);
  const rate = all.reduce((sum, range) => sum + range.rate, 0);
  const owners = new Set(all.flatMap(({ owner }) => (owner === '' ? [] : [owner]))).size;
  const problems = all.filter(({ problem }) => problem !== '').length;
  return [
    `${formatCount(all.length)} ranges on ${owners} shards`,
    `lag ${formatCount(lag)}`,
    `${rate.toFixed(1)} per second`,
    problems === 0 ? 'no problems' : `${formatCount(problems)} with a problem (!)`,
    `generation ${generation}`,
  ].join(', ');
}

async function listShards(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, (client) => client.cluster.listShards({}));
  printMessage(options, ListShardsResponseSchema, response, (answer) =>
    answer.shards.length === 0
      ? 'no shard is there, and none has ranges'
      : `${shardTable(answer.shards)}\n\n${zoneTotals(answer.shards)}`,
  );
}

function shardTable(all: readonly Shard[]): string {
  return formatTable(
    [
      { title: '' },
      { title: 'ZONE' },
      { title: 'SHARD' },
      { title: 'ADDRESS' },
      { title: 'RANGES', align: 'right' },
      { title: 'PER SECOND', align: 'right' },
      { title: 'CAPACITY', align: 'right' },
      { title: 'DEVICES', align: 'right' },
      { title: 'STATE' },
    ],
    all.map((shard) => [
      shard.problem === '' ? ' ' : '!',
      shard.zone || '-',
      shard.id,
      shard.address || '-',
      String(shard.ranges),
      shard.rate.toFixed(1),
      formatCount(shard.capacity),
      formatCount(shard.attachedDevices),
      [shard.draining ? drainingState(shard) : '', shard.problem].filter(Boolean).join(', ') || 'active',
    ]),
  );
}

function drainingState({ drainedBy }: Shard): string {
  return drainedBy.length === 0 ? 'draining' : `draining (${drainedBy.join(', ')})`;
}

/** A line for each zone: whether one of them alone could carry the load is read off here. */
function zoneTotals(all: readonly Shard[]): string {
  return [...Map.groupBy(all, ({ zone }) => zone || '-')]
    .map(
      ([zone, members]) =>
        `zone ${zone}: ${members.length} shards, ${total(members, (shard) => shard.ranges)} ranges, ` +
        `${total(members, (shard) => shard.rate).toFixed(1)} of ${formatCount(total(members, (shard) => shard.capacity))} per second, ` +
        `${formatCount(total(members, (shard) => shard.attachedDevices))} devices`,
    )
    .join('\n');
}

function total(shards: readonly Shard[], of: (shard: Shard) => number): number {
  return shards.reduce((sum, shard) => sum + of(shard), 0);
}
