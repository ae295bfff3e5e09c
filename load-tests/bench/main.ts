/**
 * `make bench`: what the standalone node does on this machine, as a table and as JSON in
 * load-tests/results/. Machines differ and are noisy: compare figures of one run, and CPU per
 * message rather than rates.
 *
 * CHAPPE_BENCH_QUICK=1 leaves the 100,000 contacts out and makes everything else shorter.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { cpuByPart } from './cpu-by-part.ts';
import { measurePlanning } from './planning.ts';
import { numbersFrom, optIn, register, send, startBench, type Run } from './scenarios.ts';

const quick = process.env['CHAPPE_BENCH_QUICK'] === '1';
const warmContacts = 400;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);

const results: Record<string, unknown> = {};

{
  await using bench = await startBench();
  const idle = await bench.node.usage();
  results['start'] = { startMs: Math.round(bench.node.startMs), idleMiB: mebibytes(idle.rssBytes) };
  say(
    `start                 ${Math.round(bench.node.startMs)} ms to ready, ${mebibytes(idle.rssBytes)} MiB resident when idle`,
  );

  const warm = numbersFrom(0, warmContacts);
  await register(bench, warm, 30);
  await bench.fleet.connect(warm);
  await send(bench, warm, 4 * warmContacts);
  say('');
  say(
    'scenario                     messages    per s   p50 ms   p99 ms   node us  handsets us  client us  lost  repeats',
  );
  keep('warm, as fast as it goes', await send(bench, warm, quick ? 6_000 : 30_000));
  keep('warm, open loop 750/s', await send(bench, warm, quick ? 3_750 : 15_000, 750));
  keep('warm, open loop 100/s', await send(bench, warm, quick ? 500 : 2_000, 100));

  const fresh = numbersFrom(10_000, quick ? 600 : 3_000);
  await register(bench, fresh, 30);
  await bench.fleet.connect(fresh);
  keep('only new contacts', await send(bench, fresh, fresh.length));
}

if (!quick) {
  await using bench = await startBench();
  await optIn(bench, numbersFrom(0, 100_000));
  const some = numbersFrom(0, 2_000);
  await bench.fleet.register(some, 30);
  await bench.fleet.connect(some);
  await send(bench, some, 10_000, 750);
  const { rssBytes } = await bench.node.usage();
  results['contacts'] = { contacts: 100_000, residentMiB: mebibytes(rssBytes) };
  say(`\n100,000 contacts       ${mebibytes(rssBytes)} MiB resident, 2,000 of them with a device, written to at 750/s`);
}

{
  await using bench = await startBench({ profile: true });
  const warm = numbersFrom(0, warmContacts);
  await register(bench, warm, 30);
  await bench.fleet.connect(warm);
  await send(bench, warm, 2 * warmContacts);
  const messages = quick ? 6_000 : 20_000;
  const before = await bench.node.usage();
  await send(bench, warm, messages);
  const nodeUs = (((await bench.node.usage()).cpuMs - before.cpuMs) * 1000) / messages;
  const parts = cpuByPart(await bench.node.profile());
  const total = [...parts.values()].reduce((sum, part) => sum + part, 0);
  say(
    `\nnode by part (shares of a profile that also holds the start and the warm-up; ${Math.round(nodeUs)} us a message)`,
  );
  const shares = [...parts]
    .slice(0, 18)
    .map(([part, micros]) => ({ part, share: micros / total, us: (micros / total) * nodeUs }));
  for (const { part, share, us } of shares)
    say(`  ${part.padEnd(34)} ${(share * 100).toFixed(1).padStart(5)} %  ${us.toFixed(0).padStart(5)} us`);
  results['parts'] = shares;
}

{
  const planning = measurePlanning();
  const [fresh, rest, lost] = [planning.newMs, planning.atRestMs, planning.zoneLostMs].map((ms) => ms.toFixed(1));
  say(
    `\nplanning of 10,000 ranges over 500 shards: ${fresh} ms a new cluster, ${rest} ms at rest, ${lost} ms a lost zone`,
  );
  results['planning'] = planning;
}

results['machine'] = {
  cpus: cpus().length,
  model: cpus()[0]?.model ?? '',
  node: process.version,
  commit: commit(),
  at: new Date().toISOString(),
};
const folder = fileURLToPath(new URL('../results/', import.meta.url));
await mkdir(folder, { recursive: true });
await writeFile(`${folder}bench.json`, `${JSON.stringify(results, undefined, 2)}\n`);
say('\nas JSON: load-tests/results/bench.json');

function keep(name: string, run: Run): void {
  results[name] = run;
  const columns: [number | string, number][] = [
    [run.messages, 9],
    [run.perSecond.toFixed(0), 9],
    [run.p50Ms.toFixed(1), 9],
    [run.p99Ms.toFixed(1), 9],
    [run.nodeUs.toFixed(0), 10],
    [run.handsetsUs.toFixed(0), 13],
    [run.clientUs.toFixed(0), 11],
    [run.lost, 6],
    [run.repeats, 9],
  ];
  say(`${name.padEnd(28)}${columns.map(([value, width]) => String(value).padStart(width)).join('')}`);
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
