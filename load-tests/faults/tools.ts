/**
 * What a fault run needs besides the servers of the stack: `unshare` for namespaces of its own, `iptables` to drop
 * packets, control groups to slow processes down. Looked for, and where it can be installed, before anything starts.
 */
import { installMissing } from '../stack/debian-packages.ts';
import { etcd } from '../stack/etcd.ts';
import { kafka } from '../stack/kafka.ts';
import { mariadb } from '../stack/mariadb.ts';
import { runCommand } from '../stack/process-record.ts';
import { stackContext } from '../stack/stack-context.ts';
import { hasCpuQuota } from './cpu-quota.ts';

/**
 * Outside of the run's namespace, which has no network.
 *
 * @throws Error with all that is missing
 */
export async function prepareMachine(report: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('root, to make namespaces');
  if (!(await works('unshare', ['--version']))) missing.push('unshare (util-linux)');
  if (!(await works('ip', ['-V']))) missing.push('ip (iproute2)');
  if (!hasCpuQuota()) missing.push('a control group file system with CPU quotas, at /sys/fs/cgroup');
  if (missing.length === 0 && !(await works('iptables', ['--version']))) {
    report('installing iptables');
    await runCommand('apt-get', ['install', '-y', '--no-install-recommends', 'iptables'], {
      environment: { DEBIAN_FRONTEND: 'noninteractive' },
    }).catch(() => missing.push('iptables'));
  }
  if (missing.length > 0) throw new Error(`fault runs need ${missing.join('; ')}`);
  // The operator's command, by which members of etcd are replaced.
  await installMissing([{ check: ['etcdctl', 'version'], debianPackage: 'etcd-client' }], report);
  for (const part of [kafka, etcd, mariadb]) await part.install(stackContext(1, report));
}

function works(command: string, args: readonly string[]): Promise<boolean> {
  return runCommand(command, args).then(
    () => true,
    () => false,
  );
}
