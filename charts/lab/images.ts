/**
 * The images of the lab, in its own registry: Chappe's, from the repository's Dockerfile, and those that it or the chart
 * `chappe-dev` begins with. A lab has no way to public image registries, so these are made here under the same names, of
 * Debian's packages and Maven's jars: `images/` has one folder for each. They take the same arguments and variables, as
 * far as the chart uses them; they are not the same bytes.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { kafka, kafkaJarsFolder } from '../../load-tests/stack/kafka.ts';
import { runCommand } from '../../load-tests/stack/process-record.ts';
import { stackContext } from '../../load-tests/stack/stack-context.ts';
import { labFolder, versions } from '../test/tools.ts';
import { kubernetesPrograms } from './kubernetes-programs.ts';
import { nodes, registry } from './layout.ts';

/** As the chart names it when nothing else is said. */
export const chappeImage = 'docker.io/library/chappe:0.1.0';
export const pauseImage = `${registry}/pause:${versions.kubernetes}`;

const debian = 'docker.io/library/debian:bookworm-slim';
const nodeImage = 'docker.io/library/node:22-bookworm-slim';
const servers = {
  kafka: 'docker.io/apache/kafka:4.1.2',
  etcd: 'quay.io/coreos/etcd:v3.4.23',
  mariadb: 'docker.io/library/mariadb:10.11',
} as const;

const repository = join(import.meta.dirname, '..', '..');
const authorities = '/etc/ssl/certs/ca-certificates.crt';

/** All of them, in the registry, which runs. What is there already takes some seconds. */
export async function pushImages(report: (line: string) => void): Promise<void> {
  if (!(await exists(debian))) {
    report('image: Debian');
    await makeDebian();
  }
  report('image: pause');
  await pushPause();
  report('image: node');
  await buildNode();
  report('images: Kafka, etcd, MariaDB');
  const jars = stackContext(1, report);
  await kafka.install(jars);
  await build(servers.kafka, folderOf('kafka'), ['--build-context', `jars=${kafkaJarsFolder(jars)}`]);
  await build(servers.etcd, folderOf('etcd'));
  await build(servers.mariadb, folderOf('mariadb'));
  for (const image of Object.values(servers)) await push(image);
  report('image: Chappe');
  await build(chappeImage, repository);
  await push(chappeImage);
  // Its tag stays while the code changes: nodes ask the registry again.
  for (const { folder } of nodes)
    await runCommand('ctr', [
      '--address',
      join(folder, 'containerd.sock'),
      '--namespace',
      'k8s.io',
      'images',
      'rm',
      chappeImage,
    ]).catch(() => undefined);
}

/** The same under another tag and with another label, so that its bytes differ: to be upgraded to or from. */
export async function pushCopy(tag: string, label: string): Promise<void> {
  const container = (await buildah(['from', '--pull-never', chappeImage])).trim();
  await buildah(['config', '--label', `chappe.lab=${label}`, container]);
  await buildah(['commit', '--quiet', '--rm', container, tag]);
  await push(tag);
}

/** Those of builds that were cut short: their file systems stay mounted until they are removed. */
export async function removeWorkingContainers(): Promise<void> {
  if (existsSync(join(labFolder, 'containers', 'root'))) await buildah(['rm', '--all']);
}

/** By Debian's own tool, from where this machine's apt gets its packages. */
async function makeDebian(): Promise<void> {
  const sites = (await runCommand('apt-get', ['indextargets', '--format', '$(SITE)'])).split('\n');
  const mirror = sites.find((site) => site !== '' && !site.includes('security')) ?? 'http://deb.debian.org/debian';
  const container = (await buildah(['from', 'scratch'])).trim();
  const root = (await buildah(['mount', container])).trim();
  await runCommand('debootstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', root, mirror]);
  await runCommand('sh', [
    '-c',
    `rm -rf ${root}/var/cache/apt/archives/*.deb ${root}/var/lib/apt/lists/* ${root}/usr/share/doc/*`,
  ]);
  await buildah(['umount', container]);
  await buildah(['config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', container]);
  await buildah(['commit', '--quiet', '--rm', container, debian]);
}

async function pushPause(): Promise<void> {
  if (!(await exists(pauseImage))) {
    const container = (await buildah(['from', 'scratch'])).trim();
    await buildah(['add', '--quiet', container, join(await kubernetesPrograms(), 'pause'), '/pause']);
    await buildah(['config', '--entrypoint', '["/pause"]', container]);
    await buildah(['commit', '--quiet', '--rm', container, pauseImage]);
  }
  await push(pauseImage);
}

/** Node 22 and its npm are packages of npm's own registry. */
async function buildNode(): Promise<void> {
  if (await exists(nodeImage)) return;
  const context = await mkdtemp(join(tmpdir(), 'chappe-lab-'));
  try {
    for (const [name, version] of [
      [`node-linux-${process.arch}`, '22'],
      ['npm', '10'],
    ] as const) {
      const packed = await runCommand('npm', ['pack', '--silent', '--pack-destination', context, `${name}@${version}`]);
      const folder = join(context, name.split('-')[0] ?? name);
      await mkdir(folder);
      const archive = packed.trim().split('\n').at(-1) ?? '';
      await runCommand('tar', ['-xzf', join(context, archive), '-C', folder, '--strip-components=1']);
    }
    await build(nodeImage, folderOf('node'), ['--build-context', `packages=${context}`]);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

function folderOf(name: string): string {
  return join(import.meta.dirname, 'images', name);
}

async function build(image: string, context: string, options: readonly string[] = []): Promise<void> {
  const npm = join(labFolder, 'npmrc');
  const registryOfNpm = (await runCommand('npm', ['config', 'get', 'registry'])).trim();
  await writeFile(npm, `registry=${registryOfNpm}\n${existsSync(authorities) ? `cafile=${authorities}\n` : ''}`);
  // While it is built, an image trusts whom this machine trusts, and asks whom this machine asks.
  const mounts = [
    `${npm}:/usr/local/etc/npmrc:ro`,
    ...(existsSync(authorities) ? [`${authorities}:${authorities}:ro`] : []),
  ];
  await buildah([
    'build',
    '--quiet',
    '--layers',
    '--pull-never',
    '--format=docker',
    '--isolation=oci',
    '--runtime=runc',
    '--network=host',
    ...mounts.flatMap((mount) => ['--volume', mount]),
    ...options,
    '--tag',
    image,
    context,
  ]);
}

/** To where a node looks for it: the lab's registry, by the name without the public registry's. */
async function push(image: string): Promise<void> {
  const name = image.slice(image.indexOf('/') + 1);
  await buildah(['push', '--quiet', '--tls-verify=false', image, `docker://${registry}/${name}`]);
}

async function exists(image: string): Promise<boolean> {
  return buildah(['inspect', '--type', 'image', image]).then(
    () => true,
    () => false,
  );
}

async function buildah(words: readonly string[]): Promise<string> {
  const folder = join(labFolder, 'containers');
  await mkdir(join(folder, 'tmp'), { recursive: true });
  const storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'overlay'];
  return runCommand('buildah', [...storage, ...words], { environment: { TMPDIR: join(folder, 'tmp') } });
}
