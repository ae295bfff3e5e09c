/** What the lab needs of the machine: root, and programs, which are Debian's packages. */
import { userInfo } from 'node:os';
import { installMissing } from '../../load-tests/stack/debian-packages.ts';

/** @throws Error naming what is missing, if it cannot be installed here */
export async function prepareMachine(report: (line: string) => void): Promise<void> {
  if (process.platform !== 'linux' || userInfo().uid !== 0)
    throw new Error(
      'the lab makes network namespaces and control groups: run it as root on Linux, or use kind or minikube',
    );
  await installMissing(
    [
      { check: ['ip', '-V'], debianPackage: 'iproute2' },
      { check: ['openssl', 'version'], debianPackage: 'openssl' },
      { check: ['containerd', '--version'], debianPackage: 'containerd' },
      { check: ['runc', '--version'], debianPackage: 'runc' },
      { check: ['conntrack', '--version'], debianPackage: 'conntrack' },
      { check: ['iptables', '--version'], debianPackage: 'iptables' },
      // Network policies are kept with it.
      { check: ['ipset', '--version'], debianPackage: 'ipset' },
      { check: ['test', '-x', '/usr/lib/cni/bridge'], debianPackage: 'containernetworking-plugins' },
      { check: ['buildah', '--version'], debianPackage: 'buildah' },
      { check: ['docker-registry', '--version'], debianPackage: 'docker-registry' },
      { check: ['debootstrap', '--version'], debianPackage: 'debootstrap' },
      // For the pause program: one file of C.
      { check: ['gcc', '--version'], debianPackage: 'gcc' },
      { check: ['test', '-e', '/usr/include/signal.h'], debianPackage: 'libc6-dev' },
    ],
    report,
  );
}
