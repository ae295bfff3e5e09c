/** `chappe ranges`, `chappe shards` and `chappe drain`: what the cluster looks like, and emptying a shard. For the operator. */
import { ListRangesResponseSchema, ListShardsResponseSchema } from '@chappe/proto/v1/cluster_service';
import type { Command } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { withOperator } from '../connect.ts';
import { ExitCode } from '../failure.ts';
import { formatCount } from '../format.ts';
import { asOperator, examples, type OperatorOptions } from '../options.ts';
import { note, printMessage } from '../output.ts';
import { formatTable } from '../table.ts';

/** Ranges move within a second; a sender under load finishes its turn first. */
const drainMsMax = 15_000;
const drainLookMs = 100;

export function clusterCommands(program: Command): void {
  asOperator(
    program.command('ranges').description('which ranges of numbers exist, and who works on them (operator)'),
  ).action(ranges);
  asOperator(program.command('shards').description('the senders and their load (operator)')).action(shards);
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
    await cluster.drainShard({ shard, undo: options.undo === true });
    if (options.undo === true) {
      note(`${shard} gets its share of the ranges again`);
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

async function ranges(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, (client) => client.cluster.listRanges({}));
  printMessage(options, ListRangesResponseSchema, response, (answer) =>
    [
      formatTable(
        [
          { title: 'RANGE' },
          { title: 'FROM' },
          { title: 'TO' },
          { title: 'STATE' },
          { title: 'SHARD' },
          { title: 'ZONE' },
          { title: 'EPOCH', align: 'right' },
          { title: 'LAG', align: 'right' },
          { title: 'PER SECOND', align: 'right' },
          { title: 'TOPIC' },
        ],
        answer.ranges.map((range) => [
          range.id,
          range.start === '' ? 'first' : `+${range.start}`,
          range.end === '' || range.end === ':' ? 'last' : `+${range.end}`,
          range.state,
          range.owner || '-',
          range.zone || '-',
          String(range.epoch),
          formatCount(range.lag),
          range.rate.toFixed(1),
          range.topic,
        ]),
      ),
      `generation ${answer.generation}`,
    ].join('\n'),
  );
}

async function shards(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, (client) => client.cluster.listShards({}));
  printMessage(options, ListShardsResponseSchema, response, (answer) =>
    formatTable(
      [
        { title: 'SHARD' },
        { title: 'ADDRESS' },
        { title: 'ZONE' },
        { title: 'RANGES', align: 'right' },
        { title: 'CAPACITY', align: 'right' },
        { title: 'PER SECOND', align: 'right' },
        { title: 'DEVICES', align: 'right' },
        { title: 'STATE' },
      ],
      answer.shards.map((shard) => [
        shard.id,
        shard.address || '-',
        shard.zone || '-',
        String(shard.ranges),
        formatCount(shard.capacity),
        shard.rate.toFixed(1),
        formatCount(shard.attachedDevices),
        shard.draining ? 'draining' : 'active',
      ]),
    ),
  );
}
