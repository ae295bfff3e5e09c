/** The tables of docs/eks.md, between two comments: `node load-tests/sizing/main.ts` renews them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Measured } from './measured.ts';
import type { Prices } from './prices.ts';
import { services, sizeFor, type Size } from './size.ts';

export const pagePath = fileURLToPath(new URL('../../docs/eks.md', import.meta.url));
const [begin, end] = ['<!-- sizes: made by `node load-tests/sizing/main.ts` -->', '<!-- /sizes -->'];
const usualRates = [100, 1_000, 10_000];

/** The page as it is, and as it should be. */
export function pageWithTables(measured: Measured, prices: Prices): { readonly now: string; readonly wanted: string } {
  const now = readFileSync(pagePath, 'utf8');
  const [before = '', rest] = now.split(begin);
  if (rest === undefined) throw new Error(`${pagePath} has no place for the sizes: ${begin}`);
  const after = rest.split(end)[1] ?? '';
  return { now, wanted: `${before}${begin}\n\n${tablesOf(measured, prices)}\n\n${end}${after}` };
}

/** @param rates messages a second */
export function tablesOf(measured: Measured, prices: Prices, rates: readonly number[] = usualRates): string {
  const sizes = rates.map((rate) => sizeFor(rate, measured, prices));
  return [
    `Measured on ${measured.at} with ${measured.machine}; prices: ${prices.source}.`,
    costTable(sizes),
    trafficTable(measured),
    sizeTable(sizes),
  ].join('\n\n');
}

function costTable(sizes: readonly Size[]): string {
  const costs = [...new Map(sizes.map(({ cost }) => [cost.window, cost])).values()];
  const parts = [...services, 'kafka', 'etcd', 'mariadb'];
  return table(
    ['CPU a message, µs', ...parts],
    costs.map(({ window, perShard, cpuUs }) => [
      `${window}, ${perShard}/s a shard`,
      ...parts.map((part) => count(cpuUs[part] ?? 0)),
    ]),
  );
}

function trafficTable({ traffic, kept }: Measured): string {
  const largest = Object.entries(traffic).toSorted(([, a], [, b]) => b - a);
  const rows = [
    ...largest.slice(0, 12),
    ...Object.entries(kept).map(([kind, bytes]) => [`stays: ${kind}`, bytes] as const),
  ];
  return table(
    ['bytes a message', 'measured'],
    rows.map(([name, bytes]) => [name, count(bytes)]),
  );
}

function sizeTable(sizes: readonly Size[]): string {
  const row = (name: string, of: (size: Size) => string): string[] => [name, ...sizes.map(of)];
  return table(
    ['messages a second', ...sizes.map(({ perSecond }) => count(perSecond))],
    [
      ...services.map((service) => row(`${service}: pods in each zone`, ({ pods }) => count(pods[service]))),
      row('processors that the services use', ({ processors }) => processors.toFixed(1)),
      row('nodes in each zone', ({ nodes }) => `${nodes.count} ${nodes.instance.name}`),
      row('MSK brokers, three zones', ({ brokers }) => `${brokers.count} ${brokers.instance.name}`),
      row('RDS MariaDB, Multi-AZ', ({ databases }) => `${databases.count} ${databases.instance.name}`),
      row('topics, GB (24 h, three copies)', ({ logGb }) => count(logGb)),
      row('tables, GB with a month in them', ({ tableGbMonth }) => count(tableGbMonth)),
      row('between zones, GB a month', ({ crossZoneGb }) => count(crossZoneGb)),
      row('to the internet, GB a month', ({ internetGb }) => count(internetGb)),
      row('USD a month', ({ dollarsMonth }) => count(dollarsMonth)),
      row('USD a million messages', ({ dollarsMillion }) => dollarsMillion.toFixed(2)),
    ],
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
