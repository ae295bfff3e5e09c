/** `chappe stores` and `chappe store ...`: the databases that have the rows of ranges. For the operator. */
import { ListStoresResponseSchema, StoreChangeKind, type Store } from '@chappe/proto/v1/cluster_service';
import type { Command } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { withOperator } from '../connect.ts';
import { ExitCode } from '../exit-code.ts';
import { asOperator, examples, type OperatorOptions } from '../options.ts';
import { note, printMessage } from '../output.ts';
import { formatTable } from '../table.ts';

/** A database that does not answer is asked again, without us. */
const followMsMax = 30_000;
const lookMs = 100;

const words: ReadonlyMap<StoreChangeKind, string> = new Map([
  [StoreChangeKind.ADD, 'add'],
  [StoreChangeKind.FAILOVER, 'failover'],
  [StoreChangeKind.RESTORED, 'restored'],
]);

interface ChangeOptions extends OperatorOptions {
  readonly to?: string;
  readonly at?: string;
  readonly oldIsFenced?: boolean;
}

export function storeCommands(program: Command): void {
  asOperator(
    program.command('stores').description('the databases that have the rows of ranges, and their load (operator)'),
  ).action(list);
  const store = program.command('store').description('add a database; say that one moved or lost commits (operator)');
  const address = 'mysql://host:port/database, without a login';
  const isFenced = ['--old-is-fenced', 'nobody can write at the former address, though it answers'] as const;
  asOperator(
    store
      .command('add')
      .description('make a further database known, for `chappe range move --to-store`')
      .argument('<store>', 'an id for it')
      .requiredOption('--at <address>', address),
  )
    .addHelpText('after', examples('chappe store add second --at mysql://db-2.example:3306/chappe'))
    .action((id: string, options: ChangeOptions) => change(id, StoreChangeKind.ADD, options.at, options));
  asOperator(
    store
      .command('failover')
      .description('a database with everything that was committed to it is at another address: a replica was promoted')
      .argument('<store>', 'its id, of `chappe stores`')
      .requiredOption('--to <address>', address)
      .option(...isFenced),
  )
    .addHelpText('after', examples('chappe store failover main --to mysql://db-1b.example:3306/chappe'))
    .action((id: string, options: ChangeOptions) => change(id, StoreChangeKind.FAILOVER, options.to, options));
  asOperator(
    store
      .command('restored')
      .description('a database came back without its last commits: its ranges begin anew from what it has')
      .argument('<store>', 'its id, of `chappe stores`')
      .option('--at <address>', `${address}; absent: where it was`)
      .option(...isFenced),
  )
    .addHelpText('after', examples('chappe store restored main'))
    .action((id: string, options: ChangeOptions) => change(id, StoreChangeKind.RESTORED, options.at, options));
}

async function change(
  id: string,
  kind: StoreChangeKind,
  address: string | undefined,
  options: ChangeOptions,
): Promise<void> {
  await withOperator(options, async ({ cluster }) => {
    const oldIsFenced = options.oldIsFenced === true;
    await cluster.changeStore({ store: id, kind, address: address ?? '', oldIsFenced });
    const endMs = performance.now() + followMsMax;
    for (;;) {
      const found = (await cluster.listStores({})).stores.find((store) => store.id === id);
      const step = found?.change?.step;
      if (found !== undefined && step === 'done') {
        note(`store ${id} is at ${found.address}, incarnation ${found.incarnation}`);
        return;
      }
      if (step === 'refused' || performance.now() > endMs) {
        const problem = found?.change?.problem || 'is there a coordinator?';
        note(
          step === 'refused' ? `refused: ${problem}` : `not done yet: ${problem}; \`chappe stores\` tells when it is`,
        );
        process.exitCode = ExitCode.failed;
        return;
      }
      await pause(lookMs);
    }
  });
}

async function list(options: OperatorOptions): Promise<void> {
  const response = await withOperator(options, ({ cluster }) => cluster.listStores({}));
  printMessage(options, ListStoresResponseSchema, response, ({ stores }) => storeTable(stores));
}

function storeTable(stores: readonly Store[]): string {
  return formatTable(
    [
      { title: '' },
      { title: 'STORE' },
      { title: 'ADDRESS' },
      { title: 'INCARNATION', align: 'right' },
      { title: 'RANGES', align: 'right' },
      { title: 'PER SECOND', align: 'right' },
      { title: 'STATE' },
    ],
    stores.map((store) => [
      store.problem === '' ? ' ' : '!',
      store.id,
      store.address || '-',
      String(store.incarnation),
      String(store.ranges),
      store.rate.toFixed(1),
      stateOf(store),
    ]),
  );
}

function stateOf({ problem, change: wanted }: Store): string {
  if (wanted === undefined || wanted.step === 'done') return problem || 'in use';
  const what = words.get(wanted.kind) ?? 'change';
  return `${what} ${wanted.step}${wanted.problem === '' ? '' : `: ${wanted.problem}`}`;
}
