/**
 * The whole way of some messages, on a node of its own that is gone afterwards or in a cluster that
 * runs: two businesses send the rows of files to simulated people, who read, reply, block and opt out. What everybody saw is
 * then held against each other; only if all agree is the exit code 0.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AdminClient } from '@chappe/client/admin-client';
import { Channel } from '@chappe/rpc/client';
import { ExitCode } from '../exit-code.ts';
import { note, print } from '../output.ts';
import { openProgress } from '../progress.ts';
import { startNode } from '../standalone-node.ts';
import { createBusinesses, recordEvents, readLedger, recordOptIns, type DemoBusiness } from './businesses.ts';
import { Changes } from './changes.ts';
import { Crowd } from './crowd.ts';
import { findPeople, type DemoFile, type DemoPeople } from './people.ts';
import { countStates, formatReport } from './report.ts';
import { handOver, sendRows } from './send-rows.ts';
import { Tally, type BookedEntry } from './tally.ts';

export interface DemoOptions {
  readonly files: readonly DemoFile[];
  readonly examplesFolder: string;
  readonly signal: AbortSignal;
}

/** Where the demo is played. */
export interface DemoStage {
  /** `host:port`, or several with commas between. */
  readonly gateway: string;
  readonly devices: string;
  readonly adminKey: string;
  /** Where one-time codes are written instead of being sent. */
  readonly dataFolder: string;
  /** A further act, when the files have come to their end and before people answer. */
  readonly act?: (scene: DemoScene, admin: AdminClient) => Promise<void>;
}

/** Everything settles within some hundred milliseconds; a machine under load gets this long. */
const settleMsMax = 20_000;
const ledgerIntervalMs = 100;

export interface DemoScene extends DemoOptions {
  readonly businesses: readonly DemoBusiness[];
  readonly people: DemoPeople;
  readonly crowd: Crowd;
  readonly tally: Tally;
  readonly changes: Changes;
  readonly say: (text: string) => void;
}

export async function runDemo(options: DemoOptions): Promise<number> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'chappe-demo-'));
  const removeFolder = (): void => rmSync(dataFolder, { recursive: true, force: true, maxRetries: 3 });
  process.once('exit', removeFolder);
  try {
    return await withNode(options, dataFolder);
  } finally {
    removeFolder();
    process.off('exit', removeFolder);
  }
}

async function withNode(options: DemoOptions, dataFolder: string): Promise<number> {
  const said: string[] = [];
  await using node = await startNode({
    dataFolder,
    gatewayAddress: '127.0.0.1:0',
    deviceAddress: '127.0.0.1:0',
    adminPort: 0,
    logLevel: 'warn',
    onLine: (line) => said.push(line),
  });
  void node.ended.then((code) => {
    if (code !== 0) note(`the node ended with exit code ${code}:\n${said.slice(-5).join('\n')}`);
  });
  const adminKey = readFileSync(join(dataFolder, 'admin-key'), 'utf8').trim();
  return await runDemoOn({ gateway: node.gateway, devices: node.devices, adminKey, dataFolder }, options);
}

/** The exit code. */
export async function runDemoOn(stage: DemoStage, options: DemoOptions): Promise<number> {
  const { signal } = options;
  const startedMs = performance.now();
  const tally = new Tally();
  const changes = new Changes();
  const over = new AbortController();
  using progress = openProgress(false);
  const say = (text: string): void => progress.note(text);
  const show = (): void => progress.update(() => progressLine(tally));

  using admin = new AdminClient({ address: stage.gateway, adminKey: stage.adminKey });
  const businesses = await createBusinesses(admin, stage.gateway, options.examplesFolder);
  const people = await findPeople(options.files, businesses.length);
  say(
    `${businesses.map(({ name }) => name).join(' and ')} are ready; ${people.numbers.length} people register their handsets`,
  );

  using channel = new Channel({ address: stage.devices });
  await using crowd = new Crowd({
    channel,
    dataFolder: stage.dataFolder,
    numbers: people.numbers,
    tally,
    changes,
    signal,
  });
  await crowd.gather();
  say(`${crowd.deviceCount} handsets are connected`);

  const onEvent = (): void => {
    show();
    changes.wake();
  };
  const recording = Promise.all(businesses.map((business) => recordEvents(business, tally, onEvent, over.signal)));
  const recordingFailed = recording.then(() => undefined);
  const act = async (scene: DemoScene): Promise<void> => stage.act?.(scene, admin);
  try {
    await Promise.race([play({ ...options, businesses, people, crowd, tally, changes, say }, act), recordingFailed]);
    tally.booked.push(...(await readLedgers(businesses, tally, signal)));
  } finally {
    over.abort();
    await recording.catch(() => undefined);
    for (const business of businesses) business[Symbol.dispose]();
  }
  progress.clear();
  if (signal.aborted) {
    note('interrupted');
    return ExitCode.failed;
  }
  return report(tally, crowd, performance.now() - startedMs);
}

/** The acts, one after the other; each ends when everything it caused has come to its end. */
async function play(scene: DemoScene, act: (scene: DemoScene) => Promise<void>): Promise<void> {
  const { businesses, people, files, tally, changes, signal, say } = scene;
  await Promise.all(businesses.map((business, place) => recordOptIns(business, [...(people.contactsOf[place] ?? [])])));
  if (people.leftOut.size > 0)
    say(`${people.leftOut.size} numbers are left out: ${people.numbers.length} handsets are simulated at most`);
  await sendRows({
    files,
    businesses,
    leftOut: people.leftOut,
    tally,
    onChange: () => changes.wake(),
    onProblem: say,
    signal,
  });
  await settle(scene);
  if (signal.aborted) return;
  await act(scene);
  await answerReplies(scene);
  await turnAway(scene);
  await settle(scene);
}

/** Businesses answer everybody who wrote, in free text: inside the window it costs nothing. */
async function answerReplies({ businesses, tally, crowd }: DemoScene): Promise<void> {
  const writers = new Set(crowd.with('replies'));
  const answers = [...tally.accepted.values()].filter(
    ({ contact }, place, all) => writers.has(contact) && all.findIndex((other) => other.contact === contact) === place,
  );
  for (const { number, contact } of answers) {
    const business = businesses.find((candidate) => candidate.number === number);
    if (business === undefined) continue;
    const request = {
      to: contact,
      content: { case: 'text', value: { text: 'You are welcome. We are here until 18:00.' } },
    } as const;
    await handOver(business.client, business, request, tally);
  }
}

/** What must not arrive: to somebody who blocked, who wrote STOP, who never agreed, and to no number. */
async function turnAway(scene: DemoScene): Promise<void> {
  const { businesses, crowd, tally } = scene;
  const turnedAway = [...(await crowd.protest('blocks')), ...(await crowd.protest('stops'))];
  await settle(scene);
  const [first] = businesses;
  if (first === undefined) return;
  const attempts = [
    ...turnedAway.map(({ contact, number }) => ({
      to: contact,
      business: businesses.find((candidate) => candidate.number === number) ?? first,
    })),
    { to: '+33199009999', business: first },
    { to: '+33 6 12', business: first },
  ];
  for (const { to, business } of attempts) {
    const value = { name: 'note', language: 'en', parameters: { text: 'This should not arrive.' } };
    await handOver(business.client, business, { to, content: { case: 'template', value } }, tally);
  }
}

/** Until every message has its end, every receipt is an event, and every reply has been received. */
export async function settle({ tally, crowd, changes, signal, say }: DemoScene): Promise<void> {
  await crowd.quiet();
  const isSettled = (): boolean =>
    tally.isSettled() &&
    [...tally.read].every((id) => tally.finalState(id) === 'read') &&
    crowd.unconfirmedReplies === 0 &&
    tally.repliesReceived.length >= tally.repliesConfirmed.length;
  const isInTime = await changes.until(isSettled, settleMsMax, signal);
  if (!isInTime && !signal.aborted) say(`not everything has come to its end within ${settleMsMax / 1_000} s`);
}

/** Billing books a moment after the event: as long as entries are missing, it is asked again. */
async function readLedgers(
  businesses: readonly DemoBusiness[],
  tally: Tally,
  signal: AbortSignal,
): Promise<BookedEntry[]> {
  const endMs = performance.now() + settleMsMax;
  for (;;) {
    const booked = (await Promise.all(businesses.map(readLedger))).flat();
    if (booked.length >= countStates(tally).delivered || performance.now() > endMs || signal.aborted) return booked;
    await pause(ledgerIntervalMs);
  }
}

function progressLine(tally: Tally): string {
  const { accepted, delivered, read, replied, failed, refused } = countStates(tally);
  return `accepted ${accepted}  delivered ${delivered}  read ${read}  replied ${replied}  failed ${failed + refused}`;
}

function report(tally: Tally, crowd: Crowd, tookMs: number): number {
  const problems = [...crowd.problems, ...tally.disagreements()];
  print(`${formatReport(tally)}\n`);
  if (problems.length === 0) {
    print(
      `The tally agrees: what was accepted, what ${crowd.deviceCount} handsets showed, the events and the ledger (${(tookMs / 1_000).toFixed(1)} s).`,
    );
    return ExitCode.ok;
  }
  print(`The tally does NOT agree:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  return ExitCode.failed;
}
