/**
 * The charts on a real Kubernetes of two nodes in two zones, under load, with an independent checker.
 *
 *     node load-tests/kubernetes/main.ts [--steps all | short | install,messages,drain] [--per-second 30] [--seed N]
 *         [--reports folder] [--keep]
 *
 * Brings up the lab of charts/lab and takes it down again. Exit code 0: every step was green.
 */
import { setMaxListeners } from 'node:events';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { runKubernetes } from './run-kubernetes.ts';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: 'all' },
    'per-second': { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.trunc(Math.random() * 2 ** 31)) },
    reports: { type: 'string', default: fileURLToPath(new URL('../reports', import.meta.url)) },
    keep: { type: 'boolean', default: false },
  },
});

const stopped = new AbortController();
setMaxListeners(0, stopped.signal);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
process.exitCode = await runKubernetes({
  steps: values.steps,
  perSecond: Number(values['per-second']),
  seed: Number(values.seed),
  reportsFolder: values.reports,
  isKept: values.keep,
  signal: stopped.signal,
});
process.exit();
