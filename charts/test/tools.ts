/**
 * The programs of the tests of chart and compose.yaml and of the lab, built once from the Go module proxy, and the schemas of Kubernetes'
 * objects, made from the description of its API that its module has.
 *
 * They lie outside of the repository, by version, so that another clone does not build them again.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { schemasOf } from './schemas.ts';

export const versions = {
  helm: 'v3.19.5',
  kubeconform: 'v0.8.0',
  'compose-spec': 'v2.16.2',
  coredns: 'v1.14.7',
  kwok: 'v0.7.0',
  'kube-router': 'v2.1.0',
  kubernetes: 'v1.34.4',
} as const;

const packages = {
  helm: 'helm.sh/helm/v3/cmd/helm',
  kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform',
  'compose-spec': 'github.com/compose-spec/compose-go/v2/cmd',
  coredns: 'github.com/coredns/coredns',
  kwok: 'sigs.k8s.io/kwok/cmd/kwok',
  'kube-router': 'github.com/cloudnativelabs/kube-router/v2/cmd/kube-router',
} as const;

/** Kubernetes and everything below it takes 6 to 15 minutes on two cores. */
const buildMsMax = 2_400_000;

/** What was built or downloaded for the charts on this machine. */
export const labFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'chappe-lab');
const run = promisify(execFile);

/** The program's path, built if it is not there. */
export async function tool(name: keyof typeof packages): Promise<string> {
  const folder = await built(`${name}-${versions[name]}`, (unfinished) =>
    go(['install', '-trimpath', '-ldflags=-s -w', `${packages[name]}@${versions[name]}`], {
      environment: { GOBIN: unfinished },
    }),
  );
  // Go calls a program as the last folder of its module.
  return join(folder, basename(packages[name]));
}

/** A folder with a schema for each kind of object, as kubeconform's `-schema-location` wants it. */
export async function kubernetesSchemas(): Promise<string> {
  return built(`schemas-${versions.kubernetes}`, async (unfinished) => {
    const api: unknown = JSON.parse(
      await readFile(join(await kubernetesModule(), 'api/openapi-spec/swagger.json'), 'utf8'),
    );
    for (const [file, schema] of schemasOf(api)) await writeFile(join(unfinished, file), JSON.stringify(schema));
  });
}

/** The folder with the source of Kubernetes. */
export async function kubernetesModule(): Promise<string> {
  const stdout = await go(['mod', 'download', '-json', `k8s.io/kubernetes@${versions.kubernetes}`]);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}

/** A folder of what was built, by name and version. What was interrupted leaves nothing that could be taken for it. */
export async function built(name: string, build: (unfinished: string) => Promise<unknown>): Promise<string> {
  const folder = join(labFolder, 'programs', name);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    await build(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process was faster.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

interface GoOptions {
  /** Absent: one without a module, so that nothing of one is taken for the program's. */
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** @returns what it printed */
export async function go(words: readonly string[], { folder, environment }: GoOptions = {}): Promise<string> {
  await mkdir(labFolder, { recursive: true });
  try {
    const { stdout } = await run('go', [...words], {
      cwd: folder ?? labFolder,
      env: { ...process.env, CGO_ENABLED: '0', ...environment },
      timeout: buildMsMax,
      maxBuffer: 64 * 2 ** 20,
    });
    return stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('Go 1.24 or newer builds the programs that look at charts: install it, e.g. from go.dev/dl', {
      cause: error,
    });
  }
}
