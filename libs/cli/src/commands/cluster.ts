/** `chappe ranges` and `chappe shards`: what the cluster looks like. For the operator. */
import { ListRangesResponseSchema, ListShardsResponseSchema } from '@chappe/proto/v1/cluster_service';
import type { Command } from 'commander';
import { withOperator } from '../connect.ts';
import { formatCount } from '../format.ts';
import { asOperator, type OperatorOptions } from '../options.ts';
import { printMessage } from '../output.ts';
import { formatTable } from '../table.ts';

export function clusterCommands(program: Command): void {
  asOperator(
    program.command('ranges').description('which ranges of numbers exist, and who works on them (operator)'),
  ).action(ranges);
  asOperator(program.command('shards').description('the senders and their load (operator)')).action(shards);
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
      ],
      answer.shards.map((shard) => [
        shard.id,
        shard.address || '-',
        shard.zone || '-',
        String(shard.ranges),
        formatCount(shard.capacity),
        shard.rate.toFixed(1),
        formatCount(shard.attachedDevices),
      ]),
    ),
  );
}
