/**
 * The programs that look at a chart and at compose.yaml, built once from the Go module proxy into `.tools`: helm,
 * kubeconform and what reads the file for Docker Compose, and the schemas of Kubernetes' objects, made from the description of its API that its module has.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { schemasOf } from './schemas.ts';

const versions = { helm: 'v3.19.5', kubeconform: 'v0.8.0', 'compose-spec': 'v2.16.2', kubernetes: 'v1.34.4' } as const;
const modules = {
  helm: `helm.sh/helm/v3/cmd/helm@${versions.helm}`,
  kubeconform: `github.com/yannh/kubeconform/cmd/kubeconform@${versions.kubeconform}`,
  'compose-spec': `github.com/compose-spec/compose-go/v2/cmd@${versions['compose-spec']}`,
} as const;
const buildMsMax = 900_000;

const folder = join(import.meta.dirname, '.tools');
const run = promisify(execFile);

/** The program's path, built if it is not there. */
export async function tool(name: keyof typeof modules): Promise<string> {
  const bin = join(folder, versions[name]);
  const path = join(bin, name);
  if (existsSync(path)) return path;
  await mkdir(bin, { recursive: true });
  await go(['install', '-trimpath', '-ldflags=-s -w', modules[name]], { GOBIN: bin, CGO_ENABLED: '0' });
  // Go calls a program as the last folder of its module.
  const built = join(bin, basename(modules[name].replace(/@.*/u, '')));
  if (built !== path) await rename(built, path);
  return path;
}

/** A folder with a schema for each kind of object, as kubeconform's `-schema-location` wants it. */
export async function kubernetesSchemas(): Promise<string> {
  const schemas = join(folder, 'schemas', versions.kubernetes);
  if (existsSync(schemas)) return schemas;
  const { stdout } = await go(['mod', 'download', '-json', `k8s.io/kubernetes@${versions.kubernetes}`]);
  const { Dir: module } = JSON.parse(stdout) as { Dir: string };
  const api: unknown = JSON.parse(await readFile(join(module, 'api/openapi-spec/swagger.json'), 'utf8'));
  const unfinished = `${schemas}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  for (const [file, schema] of schemasOf(api)) await writeFile(join(unfinished, file), JSON.stringify(schema));
  await rename(unfinished, schemas);
  return schemas;
}

async function go(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly stdout: string }> {
  try {
    return await run('go', [...words], {
      // A folder without a module, so that nothing of one is taken for the tool's.
      cwd: await made(folder),
      env: { ...process.env, ...environment },
      timeout: buildMsMax,
      maxBuffer: 64 * 2 ** 20,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('Go 1.21 or newer builds the tools of the chart tests: install it, e.g. from go.dev/dl', {
      cause: error,
    });
  }
}

async function made(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  return path;
}
