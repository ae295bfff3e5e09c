/** The table at the end of a run, from the tally alone. */
import { create } from '@bufbuild/protobuf';
import { MoneySchema } from '@chappe/proto/v1/money';
import { formatCount, formatMoney } from '../format.ts';
import { formatTable } from '../table.ts';
import { quantile } from './quantile.ts';
import type { Tally } from './tally.ts';

export function formatReport(tally: Tally): string {
  return [formatOutcomes(tally), formatFailures(tally), formatCosts(tally), formatLatency(tally)]
    .filter((part) => part !== '')
    .join('\n\n');
}

export function countStates(tally: Tally): {
  accepted: number;
  delivered: number;
  read: number;
  failed: number;
  replied: number;
  refused: number;
} {
  let delivered = 0;
  let read = 0;
  let failed = 0;
  for (const id of tally.accepted.keys()) {
    const states = tally.heard.get(id)?.states ?? [];
    if (states.includes('delivered')) delivered += 1;
    if (states.includes('read')) read += 1;
    if (states.includes('failed')) failed += 1;
  }
  const refused = [...tally.refused.values()].reduce((sum, count) => sum + count, 0);
  return { accepted: tally.accepted.size, delivered, read, failed, refused, replied: tally.repliesReceived.length };
}

function formatOutcomes(tally: Tally): string {
  const { accepted, delivered, read, replied, failed, refused } = countStates(tally);
  return formatTable(
    [{ title: 'MESSAGES' }, { title: 'COUNT', align: 'right' }],
    Object.entries({ accepted, delivered, read, replied, failed, 'refused at once': refused }).map(([name, count]) => [
      name,
      formatCount(count),
    ]),
  );
}

function formatFailures(tally: Tally): string {
  const reasons = new Map([...tally.refused].map(([reason, count]) => [`${reason} (refused at once)`, count]));
  for (const { reason } of tally.heard.values()) {
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  if (reasons.size === 0) return '';
  return formatTable(
    [{ title: 'NOT DELIVERED, BY REASON' }, { title: 'COUNT', align: 'right' }],
    [...reasons].toSorted(([a], [b]) => a.localeCompare(b)).map(([reason, count]) => [reason, formatCount(count)]),
  );
}

function formatCosts(tally: Tally): string {
  const countries = new Map<string, { charged: number; free: number; micros: bigint; currency: string }>();
  for (const { country, currency, micros } of tally.booked) {
    const line = countries.get(country) ?? { charged: 0, free: 0, micros: 0n, currency };
    if (micros === 0n) line.free += 1;
    else line.charged += 1;
    line.micros += micros;
    countries.set(country, line);
  }
  const lines = [...countries].toSorted(([a], [b]) => a.localeCompare(b));
  const total = { charged: 0, free: 0, micros: 0n, currency: lines[0]?.[1].currency ?? 'USD' };
  for (const [, line] of lines) {
    total.charged += line.charged;
    total.free += line.free;
    total.micros += line.micros;
  }
  return formatTable(
    [
      { title: 'COUNTRY' },
      { title: 'CHARGED', align: 'right' },
      { title: 'FREE', align: 'right' },
      { title: 'COST', align: 'right' },
    ],
    [...lines, ['total', total] as const].map(([country, line]) => [
      country,
      formatCount(line.charged),
      formatCount(line.free),
      formatMoney(create(MoneySchema, { currency: line.currency, micros: line.micros })),
    ]),
  );
}

/** From the answer `accepted` to the first device that showed it. */
function formatLatency(tally: Tally): string {
  const firstShown = new Map<string, number>();
  for (const { messageId, atMs } of tally.shown) {
    if (!firstShown.has(messageId)) firstShown.set(messageId, atMs);
  }
  const latencies = [...firstShown].flatMap(([messageId, atMs]) => {
    const message = tally.accepted.get(messageId);
    // A handset may show a message before its business has read the answer.
    return message === undefined ? [] : [Math.max(0, atMs - message.atMs)];
  });
  if (latencies.length === 0) return 'nothing was shown';
  const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
  return `accepted to shown: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
}
