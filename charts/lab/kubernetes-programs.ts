/**
 * Kubernetes from its published Go module: API server, controllers, scheduler, kubelet, kube-proxy, kubectl, the etcd that
 * this version was tested with, and the pause program that holds a pod's namespaces.
 */
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../load-tests/stack/process-record.ts';
import { built, go, kubernetesModule, versions } from '../test/tools.ts';

export type KubernetesProgram =
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kubelet'
  | 'kube-proxy'
  | 'kubectl'
  | 'etcd'
  | 'pause';

const commands = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl'];
const etcdPackage = 'go.etcd.io/etcd/server/v3';

interface GoModule {
  readonly Go: string;
  readonly Godebug?: readonly { readonly Key: string; readonly Value: string }[];
  readonly Replace: readonly { readonly Old: { readonly Path: string } }[];
}

/** The folder with all of them. */
export function kubernetesPrograms(): Promise<string> {
  return built(`kubernetes-${versions.kubernetes}`, async (folder) => {
    const source = await kubernetesModule();
    await writeModule(source, folder);
    await go(['mod', 'tidy'], { folder });
    const packages = commands.map((command) => `k8s.io/kubernetes/cmd/${command}`);
    await go(['build', '-trimpath', '-ldflags', linkerFlags(), '-o', `${folder}/`, ...packages], { folder });
    await go(['build', '-trimpath', '-ldflags', '-s -w', '-o', join(folder, 'etcd'), etcdPackage], { folder });
    const pause = join(source, 'build/pause/linux/pause.c');
    await runCommand('gcc', [
      '-static',
      '-Os',
      '-s',
      `-DVERSION=${versions.kubernetes}`,
      '-o',
      `${folder}/pause`,
      pause,
    ]);
  });
}

/** The module zip lacks `staging/`: what it replaces by folders there is replaced by the same code as published. */
async function writeModule(source: string, folder: string): Promise<void> {
  const text = await go(['mod', 'edit', '-json', join(source, 'go.mod')]);
  const { Go, Godebug = [], Replace } = JSON.parse(text) as GoModule;
  const published = versions.kubernetes.replace(/^v1\./, 'v0.');
  const lines = [
    'module chappe-lab',
    `go ${Go}`,
    ...Godebug.map(({ Key, Value }) => `godebug ${Key}=${Value}`),
    `require k8s.io/kubernetes ${versions.kubernetes}`,
    ...Replace.map(({ Old: { Path } }) => `replace ${Path} => ${Path} ${published}`),
  ];
  const imports = [...commands.map((command) => `k8s.io/kubernetes/cmd/${command}`), etcdPackage];
  await writeFile(join(folder, 'go.mod'), `${lines.join('\n')}\n`);
  await copyFile(join(source, 'go.sum'), join(folder, 'go.sum'));
  await writeFile(
    join(folder, 'programs.go'),
    `//go:build programs\n\npackage programs\n\nimport (\n${imports.map((path) => `\t_ "${path}"\n`).join('')})\n`,
  );
}

/** Components refuse each other by their versions, so each has to know its own. */
function linkerFlags(): string {
  const [major = '', minor = ''] = versions.kubernetes.slice(1).split('.');
  const said = { gitVersion: versions.kubernetes, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const flags = Object.entries(said).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  return ['-s', '-w', ...flags].join(' ');
}
