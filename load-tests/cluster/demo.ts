/**
 * `make cluster-demo`: what `make demo` does, in the local cluster, and a further act: thousands of messages
 * to a second crowd while one sender is killed with SIGKILL. At the end: how long its ranges were
 * without an owner and without service, and the independent tally over everything.
 */
import type { AdminClient } from '@chappe/client/admin-client';
import { recordOptIns, type DemoBusiness } from '@chappe/cli/demo/businesses';
import { Crowd } from '@chappe/cli/demo/crowd';
import { exampleFiles, examplesFolder } from '@chappe/cli/demo/example-files';
import { runDemoOn, settle, type DemoScene } from '@chappe/cli/demo/run-demo';
import { handOver } from '@chappe/cli/demo/send-rows';
import { formatTable } from '@chappe/cli/table';
import type { Range as RangeStatus } from '@chappe/proto/v1/cluster_service';
import { Channel } from '@chappe/rpc/client';
import { setTimeout as pause } from 'node:timers/promises';
import { signalServer } from '../stack/process-record.ts';
import type { ClusterIdentity } from './environment.ts';
import { addressesOf, dataFolder } from './layout.ts';

export interface DemoSettings {
  readonly messages: number;
  readonly perSecond: number;
  readonly signal: AbortSignal;
}

/** Numbers in four ranges of the layout, kept by regulators for fiction. */
const bulkNumbers = ['+331990021', '+4420794601', '+120255501', '+493023125'].flatMap((prefix) =>
  Array.from({ length: 15 }, (_, no) => prefix + String(no + 30).padStart(12 - prefix.length, '0')),
);

const lookIntervalMs = 50;
const takeoverMsMax = 60_000;
const handOverAtATime = 50;

interface Takeover {
  readonly range: RangeStatus;
  readonly owner: string;
  readonly unownedMs: number;
}

/** @returns the exit code: 0 if the tally agrees */
export async function runClusterDemo({ adminKey }: ClusterIdentity, settings: DemoSettings): Promise<number> {
  const devices = addressesOf('relay');
  const stage = {
    gateway: addressesOf('gateway'),
    devices,
    adminKey,
    dataFolder,
    act: (scene: DemoScene, admin: AdminClient) => killOneSender(scene, admin, settings),
  };
  return await runDemoOn(stage, { files: exampleFiles, examplesFolder, signal: settings.signal });
}

async function killOneSender(scene: DemoScene, admin: AdminClient, settings: DemoSettings): Promise<void> {
  const { businesses, tally, changes, signal, say } = scene;
  using channel = new Channel({ address: addressesOf('relay') });
  await using crowd = new Crowd({ channel, dataFolder, numbers: bulkNumbers, tally, changes, signal });
  await crowd.gather();
  await Promise.all(businesses.map((business) => recordOptIns(business, bulkNumbers)));
  say(`${crowd.deviceCount} more handsets; ${settings.messages} messages begin, ${settings.perSecond} a second`);

  const sending = sendBulk(scene, settings);
  const before = tally.accepted.size;
  await changes.until(() => tally.accepted.size - before >= settings.messages / 3, takeoverMsMax, signal);
  const { ranges } = await admin.cluster.listRanges({});
  const victim = ranges.find((range) => holds(range, bulkNumbers[0] ?? ''))?.owner ?? '';
  await signalServer(dataFolder, victim, 'SIGKILL');
  const killedMs = performance.now();
  say(`${victim} is killed (SIGKILL); it held ${ranges.filter(({ owner }) => owner === victim).length} ranges`);
  const takeovers = await watchTakeover(admin, victim, ranges, killedMs);
  say(`every range of ${victim} has a new owner after ${Math.max(...takeovers.map(({ unownedMs }) => unownedMs))} ms`);
  await sending;
  await settle({ ...scene, crowd });
  scene.crowd.problems.push(...crowd.problems);
  process.stdout.write(`${formatTakeovers(takeovers, scene, killedMs)}\n\n`);
}

/** Round robin over the numbers and the businesses, at an even pace. */
async function sendBulk({ businesses, tally, changes, signal }: DemoScene, settings: DemoSettings): Promise<void> {
  const streams = businesses.map((business) => ({ business, stream: business.client.openSendStream() }));
  const startedMs = performance.now();
  try {
    const answers: Promise<void>[] = [];
    for (let no = 0; no < settings.messages && !signal.aborted; no += 1) {
      const { business, stream } = streams[no % streams.length] ?? fail();
      if (no % handOverAtATime === 0) {
        await pause(Math.max(0, startedMs + (no / settings.perSecond) * 1_000 - performance.now()));
        await stream.ready();
      }
      const to = bulkNumbers[Math.floor(no / streams.length) % bulkNumbers.length] ?? '';
      const answer = handOver(stream, business, noteTo(to, no), tally);
      answers.push(answer.then(() => changes.wake()));
    }
    await Promise.all(answers);
    for (const { stream } of streams) await stream.close();
  } finally {
    for (const { stream } of streams) await stream[Symbol.asyncDispose]();
  }
}

function noteTo(to: string, no: number): Parameters<ReturnType<DemoBusiness['client']['openSendStream']>['send']>[0] {
  const value = { name: 'note', language: 'en', parameters: { text: `Message ${no + 1} of many.` } };
  return { to, content: { case: 'template', value } };
}

async function watchTakeover(
  admin: AdminClient,
  victim: string,
  before: readonly RangeStatus[],
  killedMs: number,
): Promise<Takeover[]> {
  const open = new Map(before.filter(({ owner }) => owner === victim).map((range) => [range.id, range]));
  const takeovers: Takeover[] = [];
  while (open.size > 0) {
    if (performance.now() - killedMs > takeoverMsMax)
      throw new Error(`${[...open.keys()].join(', ')}: no new owner within ${takeoverMsMax} ms`);
    await pause(lookIntervalMs);
    for (const { id, owner, epoch } of (await admin.cluster.listRanges({})).ranges) {
      const range = open.get(id);
      if (range === undefined || epoch === range.epoch) continue;
      open.delete(id);
      takeovers.push({ range, owner, unownedMs: Math.round(performance.now() - killedMs) });
    }
  }
  return takeovers;
}

function formatTakeovers(takeovers: readonly Takeover[], { tally }: DemoScene, killedMs: number): string {
  return formatTable(
    [
      { title: 'RANGE' },
      { title: 'FROM' },
      { title: 'FORMER OWNER' },
      { title: 'OWNER' },
      { title: 'NO OWNER', align: 'right' },
      { title: 'NOTHING SHOWN', align: 'right' },
    ],
    takeovers.map(({ range, owner, unownedMs }) => {
      const shown = tally.shown.filter(({ contact }) => holds(range, contact)).map(({ atMs }) => atMs);
      const last = Math.max(...shown.filter((atMs) => atMs <= killedMs));
      const next = Math.min(...shown.filter((atMs) => atMs > killedMs));
      const silentMs = next - last;
      return [
        range.id,
        range.start === '' ? 'first' : `+${range.start}`,
        range.owner,
        owner,
        `${unownedMs} ms`,
        Number.isFinite(silentMs) ? `${Math.round(silentMs)} ms` : '-',
      ];
    }),
  );
}

function holds({ start, end }: RangeStatus, number: string): boolean {
  const digits = number.slice(1);
  return digits >= start && (end === '' || digits < end);
}

function fail(): never {
  throw new Error('there is no business');
}
