/**
 * Load tests: an open-loop driver, real handsets and an independent checker against a whole system.
 *
 *     node load-tests/load/main.ts --scenario steady --mode standalone [--rate 500] [--seconds 20] [--contacts 1000]
 *
 * README.md beside this folder has every scenario and option. Exit code 0: the checker found nothing.
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isInNamespace, runInNamespace } from '../faults/namespace.ts';
import { boundsFor } from './contacts.ts';
import { readOptions } from './options.ts';

const folder = fileURLToPath(new URL('.data', import.meta.url));
const { options, reportsFolder } = readOptions(process.argv.slice(2));
await mkdir(folder, { recursive: true });
// Before anything is imported that reads them.
process.env['CHAPPE_CLUSTER_DATA'] = `${folder}/cluster`;
process.env['CHAPPE_CLUSTER_SHAPE'] = options.shape;
process.env['CHAPPE_CLUSTER_SENDERS'] = String(options.senders);
process.env['CHAPPE_CLUSTER_BOUNDS'] = boundsFor(options.ranges);
// The servers have fixed ports: in a namespace of its own a run meets nobody.
const wantsNamespace = options.mode === 'cluster' && process.getuid?.() === 0 && !isInNamespace();
if (wantsNamespace) {
  const { installServers } = await import('./cluster-target.ts');
  await installServers();
  process.exitCode = await runInNamespace();
} else {
  const { runLoad } = await import('./run-load.ts');
  process.exitCode = await runLoad(options, folder, reportsFolder);
}
