/** compose.yaml as Docker Compose's own library reads it: what a profile starts, and whether it can find what it needs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readers, services } from './readers.ts';
import { tool } from './tools.ts';

const run = promisify(execFile);
const file = fileURLToPath(new URL('../../compose.yaml', import.meta.url));
const servers = ['etcd', 'kafka', 'mariadb'];
const cluster = ['billing', 'coordinator', 'crypto', 'gateway', 'migrate', 'relay', 'sender-a', 'sender-b'];

interface Container {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly profiles?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly ports?: readonly { readonly host_ip?: string; readonly published?: string }[];
}

/** What there is under a profile. @throws Error what the library refuses */
async function containersOf(profile: string): Promise<Readonly<Record<string, Container>>> {
  const { stdout } = await run(await tool('compose-spec'), ['-format', 'json', file]);
  const { services: all } = JSON.parse(stdout) as { services: Record<string, Container> };
  return Object.fromEntries(Object.entries(all).filter(([, { profiles = [] }]) => profiles.includes(profile)));
}

function textsOf({ environment = {} }: Container): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, String(value)]));
}

for (const [profile, names] of Object.entries({
  node: ['node'],
  'node-tool': ['node', 'node-tool'],
  stack: servers,
  cluster: [...servers, ...cluster],
  tool: ['tool'],
}))
  test(`the profile ${profile} starts ${names.join(', ')}, for this machine only`, async () => {
    const containers = await containersOf(profile);
    assert.deepEqual(Object.keys(containers).toSorted(), names.toSorted());
    for (const [name, { image, ports = [], ...container }] of Object.entries(containers)) {
      for (const { host_ip } of ports) assert.equal(host_ip, '127.0.0.1', name);
      // What a container waits for has to be in its profile: Compose starts nothing of another one.
      for (const other of Object.keys(container.depends_on ?? {}))
        assert.ok(names.includes(other), `${name}: ${other}`);
      if (!image.startsWith('chappe:')) continue;
      assert.equal(container.read_only, true, name);
      assert.deepEqual(container.cap_drop, ['ALL'], name);
    }
  });

test('each service can read its configuration, and is given nothing that none of them reads', async () => {
  const started = Object.values(await containersOf('cluster')).filter(({ image }) => image.startsWith('chappe:'));
  const found = new Set<string>();
  for (const container of started) {
    const [command = ''] = container.command ?? [];
    const service = services.find((name) => name === command);
    if (service === undefined) continue;
    found.add(service);
    const known = Object.keys(readers[service](textsOf(container)));
    const common = Object.keys(started.find(({ command: [name] = [] }) => name === 'migrate')?.environment ?? {});
    const unread = Object.keys(container.environment ?? {}).filter(
      (name) => !known.includes(name) && !common.includes(name),
    );
    assert.deepEqual(unread, [], service);
  }
  assert.deepEqual(found, new Set(services));
});

test('every address is a container of the profile, at a port where it listens', async () => {
  const containers = await containersOf('cluster');
  const asked = [...Object.values(containers), ...Object.values(await containersOf('tool'))];
  let count = 0;
  for (const [name, value] of asked.flatMap((container) => Object.entries(textsOf(container)))) {
    if (!name.startsWith('CHAPPE_')) continue;
    for (const [, host = '', port] of value.matchAll(/(?:^|\/\/|@)([a-z][a-z-]*):(\d+)/gu)) {
      const target = containers[host];
      assert.ok(target !== undefined, `${name}: there is no ${host}`);
      const listens = [...Object.values(textsOf(target)), ...(target.command ?? [])].some((text) =>
        new RegExp(`(0\\.0\\.0\\.0|INSIDE://)?:${port}\\b`, 'u').test(text),
      );
      assert.ok(listens || (host === 'mariadb' && port === '3306'), `${name}: ${host} does not listen at ${port}`);
      count += 1;
    }
  }
  assert.ok(count > 40, String(count));
});
