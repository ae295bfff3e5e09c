/**
 * The same job on Chappe, on Kannel and on Jasmin, one after the other on this machine.
 *
 *     node load-tests/side-by-side/main.ts [--systems kannel-smpp,chappe] [--messages 20000] [--rate 100] [--runs 3]
 *       [--warm-up 4000]
 *
 * Installs what is missing (needs root, for Debian's packages and for a network namespace of the run's own), and
 * writes load-tests/reports/side-by-side.json and .md.
 */
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { isInNamespace, runInNamespace } from '../faults/namespace.ts';
import { boundsFor } from '../load/contacts.ts';
import { dataFolder } from './settings.ts';

const { values } = parseArgs({
  options: {
    systems: { type: 'string', default: 'all' },
    messages: { type: 'string', default: '20000' },
    rate: { type: 'string', default: '100' },
    runs: { type: 'string', default: '3' },
    'warm-up': { type: 'string', default: '4000' },
    reports: { type: 'string', default: fileURLToPath(new URL('../reports', import.meta.url)) },
  },
});

// Before anything is imported that reads them.
process.env['CHAPPE_CLUSTER_DATA'] = `${dataFolder}/chappe-cluster`;
process.env['CHAPPE_CLUSTER_BOUNDS'] = boundsFor(16);
if (isInNamespace()) {
  const stopped = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort());
  const { runSideBySide } = await import('./run-side-by-side.ts');
  await runSideBySide({
    names: values.systems === 'all' ? undefined : values.systems.split(','),
    messages: Number(values.messages),
    perSecond: Number(values.rate),
    runs: Number(values.runs),
    warmUp: Number(values['warm-up']),
    reportsFolder: values.reports,
    signal: stopped.signal,
    say: (line) => void process.stdout.write(`${line}\n`),
  });
  process.exit();
} else {
  await mkdir(dataFolder, { recursive: true });
  const [{ install }, { installServers }] = await Promise.all([
    import('./install.ts'),
    import('../load/cluster-target.ts'),
  ]);
  await install((line) => void process.stdout.write(`${line}\n`));
  await installServers();
  process.exitCode = await runInNamespace();
}
