/** Rows 23 and 30: ranges are split, merged and moved under load, and whoever takes part dies or stands still meanwhile. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Range as RangeStatus, Reshape } from '@chappe/proto/v1/cluster_service';
import type { FaultCluster } from '../fault-cluster.ts';
import { quantile } from '../quantile.ts';
import { holds } from '../recovery.ts';
import { bothOf, noNoteSaysNo, recoversWithin, refusesNothing } from '../row.ts';
import type { Row, RowContext } from '../row.ts';

const pollMs = 20;
const askMsMax = 2_000;
const endedWithinMs = 30_000;
/** What the appends of a range wait at most, at the 99th percentile. */
const pauseMsMax = 250;

type Request = Parameters<FaultCluster['admin']['cluster']['reshapeRanges']>[0];

/** Active ranges of two people at least, in the order of their numbers: what rows before have cut stays cut. */
async function shared({ cluster, people }: RowContext): Promise<RangeStatus[]> {
  const contacts = [...new Set(people.phones.map(({ contact }) => contact))];
  return (await cluster.ranges()).filter(
    (range) => range.state === 'active' && contacts.filter((contact) => holds(range, contact)).length > 1,
  );
}

/** Asked again while the gateway that was asked stands still or is starting. */
async function patiently<Answer>(call: (options: { readonly deadlineMs: number }) => Promise<Answer>): Promise<Answer> {
  const endMs = performance.now() + endedWithinMs;
  for (;;) {
    try {
      return await call({ deadlineMs: askMsMax });
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await pause(askMsMax / 4);
    }
  }
}

async function ask({ admin }: FaultCluster, request: Request): Promise<string> {
  const { reshape } = await patiently((options) => admin.cluster.reshapeRanges(request, options));
  return reshape?.id ?? '';
}

async function find({ admin }: FaultCluster, id: string): Promise<Reshape | undefined> {
  const { reshapes } = await patiently((options) => admin.cluster.listReshapes({}, options));
  return reshapes.find((reshape) => reshape.id === id);
}

/** Waits until a reshape has come to a step, or beyond it. */
async function until(
  cluster: FaultCluster,
  id: string,
  isSo: (reshape: Reshape) => boolean,
): Promise<Reshape | undefined> {
  const endMs = performance.now() + endedWithinMs;
  for (;;) {
    const found = await find(cluster, id);
    if (found !== undefined && isSo(found)) return found;
    if (performance.now() > endMs) return undefined;
    await pause(pollMs);
  }
}

const isEnded = ({ step }: Reshape): boolean => step === 'active' || step === 'refused' || step === 'undone';

async function ended({ cluster, note }: RowContext, ids: readonly string[], wanted: RegExp): Promise<void> {
  for (const id of ids) {
    const found = await until(cluster, id, isEnded);
    if (found === undefined) note(`NO end of reshape ${id} within ${endedWithinMs} ms`);
    else if (!wanted.test(found.step)) note(`NO ${wanted.source}: reshape ${id} is ${found.step}, ${found.problem}`);
  }
}

const ms = (values: number[], part: number): string => `${Math.round(quantile(values, part))} ms`;

/**
 * How long appends waited, as the gateways say: from the first that a sealed topic refused to the moment in which the
 * gateway knew the new ranges. And by what the leader says, until these were worked on.
 */
async function notePauses({ cluster, note }: RowContext, sinceMs: number): Promise<void> {
  const said = await cluster.said(sinceMs);
  const took = (step: string): number[] =>
    said.filter((line) => line.msg === 'reshape' && line.step === step).map(({ tookMs = 0 }) => tookMs);
  const [open, worked, held] = [took('open'), took('active'), said.flatMap(({ heldMs }) => heldMs ?? [])];
  if (open.length === 0) return;
  const p99 = Math.round(quantile(held, 0.99));
  note(
    `${open.length} reshapes held appends ${held.length} times, ${ms(held, 0.5)} at the median, ${p99} ms at p99; ` +
      `sealed and opened in ${ms(open, 0.5)}; worked on ${ms(worked, 0.5)} later, ${ms(worked, 1)} at most`,
  );
  if (p99 > pauseMsMax) note(`NO pause below ${pauseMsMax} ms at p99`);
}

let begunMs = 0;

/** Four ranges are split, two of the parts go to another zone, and what was split becomes one again. */
export const reshaped: Row = {
  no: 23,
  name: 'ranges are split, moved and merged',
  injection: '4 splits, 2 moves, 4 merges',
  inject: async (context) => {
    const { cluster } = context;
    begunMs = Date.now();
    const chosen = (await shared(context)).filter((_, index) => index % 3 === 1).slice(0, 4);
    const split = [];
    for (const { id } of chosen) split.push(await ask(cluster, { ranges: [id], atMiddle: true }));
    await ended(context, split, /active/);
    const made: string[][] = [];
    for (const id of split) made.push((await find(cluster, id))?.newRanges ?? []);
    for (const [range] of made.slice(0, 2))
      await cluster.admin.cluster.moveRange({ range: range ?? '', shard: 'sender-b2' });
    await pause(2_000);
    const merged = [];
    for (const ranges of made) merged.push(await ask(cluster, { ranges }));
    await ended(context, merged, /active/);
  },
  heal: (context) => notePauses(context, begunMs),
  acceptance: bothOf(recoversWithin(5_000), refusesNothing, noNoteSaysNo),
};

/** Kills somebody as soon as a split has come to a step. */
function killedAt(
  no: number,
  who: string,
  step: string,
  victim: (cluster: FaultCluster, owner: string) => Promise<string>,
): Row {
  let killed = '';
  let split = '';
  return {
    no,
    name: `${who} dies while a range is split`,
    injection: `kill -9 of ${who} once the split is ${step}`,
    faultMs: 12_000,
    inject: async (context) => {
      const { cluster, note } = context;
      const range = (await shared(context)).find(({ rate }) => rate > 0);
      if (range === undefined) throw new Error('no range of two people has messages');
      split = await ask(cluster, { ranges: [range.id], atMiddle: true });
      killed = await victim(cluster, range.owner);
      const steps = ['requested', 'prepared', 'sealing', 'open', 'active'];
      await until(cluster, split, (reshape) => steps.indexOf(reshape.step) >= steps.indexOf(step) || isEnded(reshape));
      await cluster.kill(killed);
      note(`${killed} was killed when the split was ${(await find(cluster, split))?.step ?? 'gone'}`);
    },
    heal: async (context) => {
      await context.cluster.start(killed);
      await ended(context, [split], /active|undone/);
    },
    acceptance: bothOf(recoversWithin(8_000), noNoteSaysNo),
  };
}

export const leaderKilledPrepared = killedAt(23.1, 'the leading coordinator', 'prepared', (cluster) =>
  cluster.leader(),
);
export const leaderKilledOpen = killedAt(23.2, 'the leading coordinator', 'open', (cluster) => cluster.leader());
export const ownerKilledOpen = killedAt(23.3, 'the owner of old and new ranges', 'open', async (_, owner) => owner);

let toStore = '';
let toStoreOwner = '';

/** The one who copies dies in the middle; another one goes on where it was. */
export const copierKilled: Row = {
  no: 23.4,
  name: 'ranges go to another store, and who copies the rows dies',
  injection: 'two ranges to a second database, kill -9 of the owner of the second once it is open',
  faultMs: 12_000,
  inject: async (context) => {
    const { cluster, note } = context;
    await cluster.addStore('second');
    const busy = (await cluster.ranges()).filter(({ state, rate }) => state === 'active' && rate > 0);
    const [first, second] = busy;
    if (first === undefined || second === undefined) throw new Error('fewer than two ranges have messages');
    const moved = await ask(cluster, { ranges: [first.id], store: 'second' });
    await ended(context, [moved], /active/);
    toStore = await ask(cluster, { ranges: [second.id], store: 'second' });
    toStoreOwner = second.owner;
    await until(cluster, toStore, (reshape) => reshape.step === 'open' || isEnded(reshape));
    await cluster.kill(toStoreOwner);
    note(`${toStoreOwner} was killed when the move was ${(await find(cluster, toStore))?.step ?? 'gone'}`);
  },
  heal: async (context) => {
    const { cluster, note } = context;
    await cluster.start(toStoreOwner);
    await ended(context, [toStore], /active/);
    const there = (await cluster.ranges()).filter(({ store, state }) => store === 'second' && state === 'active');
    if (there.length !== 2) note(`NO two ranges in the second store: ${there.length}`);
  },
  acceptance: bothOf(recoversWithin(8_000), noNoteSaysNo),
};

/** A producer that heard nothing of it comes back with what it had in hand. */
export const producerFrozen: Row = {
  no: 30,
  name: 'producer frozen across a reshape, another one starting in the middle',
  injection: 'SIGSTOP gateway-a for two splits, kill -9 and start of gateway-b between them',
  faultMs: 1_000,
  inject: async (context) => {
    const { cluster } = context;
    begunMs = Date.now();
    const [first, second] = (await shared(context)).filter((_, index) => index % 3 === 1);
    if (first === undefined || second === undefined) throw new Error('fewer than two ranges can be split');
    await cluster.freeze('gateway-a');
    const split = [await ask(cluster, { ranges: [first.id], atMiddle: true })];
    await cluster.kill('gateway-b');
    await cluster.start('gateway-b');
    await pause(3_000);
    split.push(await ask(cluster, { ranges: [second.id], atMiddle: true }));
    await ended(context, split, /active/);
  },
  heal: ({ cluster }) => cluster.thaw('gateway-a'),
  acceptance: noNoteSaysNo,
};
