/** `chappe plan`: what the coordinator would do next about the load, and why, and why not. For the operator. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  GetPlanResponseSchema,
  type GetPlanResponse,
  type PlannedAction,
  type ShardLoad,
} from '@chappe/proto/v1/cluster_service';
import type { Command } from 'commander';
import { withOperator } from '../connect.ts';
import { formatCount } from '../format.ts';
import { asOperator, examples, type OperatorOptions } from '../options.ts';
import { printMessage } from '../output.ts';
import { formatTable } from '../table.ts';

export function planCommand(program: Command): void {
  asOperator(
    program.command('plan').description('what the coordinator does and would do about the load, and why (operator)'),
  )
    .addHelpText('after', examples('chappe plan', 'chappe plan --json', 'chappe journal'))
    .action(plan);
}

async function plan(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, ({ cluster }) => cluster.getPlan({}));
  printMessage(options, GetPlanResponseSchema, response, describe);
}

function describe(response: GetPlanResponse): string {
  const { shards, actions, held } = response;
  const parts = [
    loadTable(shards),
    actions.length === 0 ? 'nothing is to be done' : actionTable(actions),
    held.length === 0 ? '' : ['held back:', ...held.map(({ what, why }) => `  ${what}: ${why}`)].join('\n'),
    sourceOf(response),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Each shard, and a line for each zone. */
function loadTable(shards: readonly ShardLoad[]): string {
  const rows = [...Map.groupBy(shards, ({ zone }) => zone)].flatMap(([zone, members]) => {
    const total = (of: (shard: ShardLoad) => number): number => members.reduce((sum, one) => sum + of(one), 0);
    const capacity = total((one) => (one.draining ? 0 : one.capacity));
    return [
      ...members.map((one) => rowOf(one.shard, one, one.capacity, one.draining ? 'draining' : '')),
      rowOf('all', { zone, ranges: total((one) => one.ranges), load: total((one) => one.load) }, capacity, ''),
    ];
  });
  return formatTable(
    [
      { title: 'ZONE' },
      { title: 'SHARD' },
      { title: 'RANGES', align: 'right' },
      { title: 'PER SECOND', align: 'right' },
      { title: 'CAPACITY', align: 'right' },
      { title: 'FULL', align: 'right' },
      { title: '' },
    ],
    rows,
  );
}

function rowOf(
  name: string,
  { zone, ranges, load }: Pick<ShardLoad, 'zone' | 'ranges' | 'load'>,
  capacity: number,
  state: string,
): string[] {
  const full = capacity === 0 ? '-' : `${((100 * load) / capacity).toFixed(1)} %`;
  return [zone || '-', name, String(ranges), load.toFixed(0), formatCount(capacity), full, state];
}

function actionTable(actions: readonly PlannedAction[]): string {
  return formatTable(
    [{ title: 'WHEN' }, { title: 'WHAT' }, { title: 'WHY' }],
    actions.map((action) => [action.begun ? 'now' : 'then', sentenceOf(action), action.why]),
  );
}

function sentenceOf({ kind, ranges, cuts, toShard }: PlannedAction): string {
  switch (kind) {
    case 'move':
      return `move ${ranges.join(', ')} to ${toShard}`;
    case 'split':
      return `split ${ranges.join(', ')} at ${cuts.join(', ')}`;
    default:
      return `${kind} ${ranges.join(' and ')}`;
  }
}

function sourceOf({ leader, stale, time, watchedSince }: GetPlanResponse): string {
  const at = time === undefined ? 'unknown' : clock(timestampDate(time));
  const since = watchedSince === undefined ? 'unknown' : clock(timestampDate(watchedSince));
  const by = `as of ${at}, by ${leader}, which has watched the load since ${since}`;
  return stale ? `${by}; it leads no more, and nobody has made another plan` : by;
}

function clock(date: Date): string {
  return date.toISOString().replace('T', ' ').slice(0, 19);
}
