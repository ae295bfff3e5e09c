/**
 * Faults, done to a real cluster under load, with an independent checker.
 *
 *     node load-tests/faults/main.ts [--rows 1,2,8,9 | short | all | none] [--controls fence_out | short | all | none]
 *         [--per-second 50] [--seed N] [--runs 1] [--reports folder]
 *
 * Brings up Kafka, etcd, MariaDB and every service as a process of its own in namespaces, and ends all of
 * them afterwards. Exit code 0: no promise was broken and every control was seen red.
 */
import { setMaxListeners } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { isInNamespace, runInNamespace } from './namespace.ts';
import { prepareMachine } from './tools.ts';

const folder = fileURLToPath(new URL('.data', import.meta.url));
const reportsFolder = fileURLToPath(new URL('../reports', import.meta.url));

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: 'short' },
    controls: { type: 'string', default: 'none' },
    'per-second': { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Math.trunc(Math.random() * 2 ** 31)) },
    runs: { type: 'string', default: '1' },
    reports: { type: 'string', default: reportsFolder },
  },
});

// Before anything is imported that reads it.
process.env['CHAPPE_CLUSTER_DATA'] = `${folder}/cluster`;
await mkdir(folder, { recursive: true });
if (isInNamespace()) {
  const stopped = new AbortController();
  setMaxListeners(0, stopped.signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  const { runFaults } = await import('./run-faults.ts');
  process.exitCode = await runFaults({
    rows: values.rows,
    controls: values.controls,
    perSecond: Number(values['per-second']),
    seed: Number(values.seed),
    runs: Number(values.runs),
    folder,
    reportsFolder: values.reports,
    signal: stopped.signal,
  });
  process.exit();
} else {
  await prepareMachine((line) => process.stdout.write(`${line}\n`));
  process.exitCode = await runInNamespace();
}
