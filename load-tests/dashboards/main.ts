/**
 * Asks every question of every dashboard of a real Prometheus, which scraped a real cluster under load: `make
 * dashboards-check`. Needs root, for a network namespace of its own. A question that is an error, or that finds
 * nothing without a reason in `may-be-empty.ts`, ends it with 1. The report has what was found, drawn.
 */
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isInNamespace, runInNamespace } from '../faults/namespace.ts';
import { installMissing } from '../stack/debian-packages.ts';

const folder = fileURLToPath(new URL('.data', import.meta.url));
await mkdir(folder, { recursive: true });
// Before anything is imported that reads it.
process.env['CHAPPE_CLUSTER_DATA'] = `${folder}/cluster`;
if (isInNamespace()) {
  const { checkDashboards } = await import('./check-dashboards.ts');
  process.exitCode = await checkDashboards(folder);
} else {
  const { installServers } = await import('../load/cluster-target.ts');
  await installServers();
  const programs = [
    { check: ['promtool', '--version'], debianPackage: 'prometheus' },
    { check: ['chromium', '--version'], debianPackage: 'chromium' },
  ] as const;
  await installMissing(programs, (line) => process.stdout.write(`${line}\n`));
  process.exitCode = await runInNamespace();
}
