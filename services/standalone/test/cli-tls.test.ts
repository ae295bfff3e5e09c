/** The `chappe` command towards servers with TLS: real listeners with certificates made here, in front of a real node. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { type TestContext } from 'node:test';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { makeCertificate, makeFolder, signExpired } from '../../../libs/rpc/test/certificates.ts';
import { makeBusiness, startTestNode } from './test-node.ts';

const launcher = fileURLToPath(import.meta.resolve('@chappe/cli/main')).replace('src/main.ts', 'bin/chappe.mjs');
const contact = '+33199001001';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command to its end; `environment` instead of this process's variables of Chappe. */
function run(parameters: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [launcher, ...parameters], { env: { ...own, ...environment } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHAPPE_')));

/** Ends TLS in front of `target`. */
async function tlsBefore(t: TestContext, target: string, certificate: string, key: string): Promise<number> {
  const [host = '', port = ''] = target.split(':');
  const server = createServer(
    { cert: readFileSync(certificate), key: readFileSync(key), ALPNProtocols: ['h2'] },
    (near) => {
      const far = connect({ host, port: Number(port) });
      near.on('error', () => far.destroy()).on('close', () => far.destroy());
      far.on('error', () => near.destroy()).on('close', () => near.destroy());
      near.pipe(far).pipe(near);
    },
  );
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('by TLS, from `send` to `phone`, and what is wrong with a connection is said with what to do', async (t) => {
  const folder = await makeFolder(t);
  const ours = await makeCertificate(folder, 'ours');
  const theirs = await makeCertificate(folder, 'theirs');
  const expired = join(folder, 'expired');
  await signExpired('ours', ours, expired);
  writeFileSync(join(folder, 'no-pem'), 'nothing\n');

  await using node = await startTestNode();
  const { gatewayAddress, deviceAddress } = node.node;
  const { client, apiKey } = await makeBusiness(node, 'A shop', '+33199009001');
  client[Symbol.dispose]();
  const gatewayPort = await tlsBefore(t, gatewayAddress, ours.certificate, ours.key);
  const devicePort = await tlsBefore(t, deviceAddress, ours.certificate, ours.key);
  const expiredPort = await tlsBefore(t, gatewayAddress, expired, ours.key);
  const gateway = `localhost:${gatewayPort}`;
  const trust = ['--tls-authority', ours.authority];
  const data = ['--data', node.folder];

  const phone = spawn(
    process.execPath,
    [
      launcher,
      'phone',
      contact,
      '--json',
      '--until-shown',
      '1',
      '--address',
      `localhost:${devicePort}`,
      ...trust,
      ...data,
    ],
    { env: own, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const phoneClosed = once(phone, 'close');
  const lines = createInterface({ input: phone.stdout })[Symbol.asyncIterator]();
  assert.match(String((await lines.next()).value), /"connected"/);
  const settings = { CHAPPE_ADDRESS: gateway, CHAPPE_TLS_AUTHORITY: ours.authority, CHAPPE_API_KEY: apiKey };
  for (const command of [
    ['template', 'create', 'note', '--body', 'It comes {{day}}.'],
    ['contact', 'opt-in', contact, '--source', 'test'],
    ['send', '--to', contact, '--template', 'note', '--param', 'day=today'],
  ]) {
    const { code, err } = await run([...command, ...data], settings);
    assert.equal(code, 0, err);
  }
  assert.match(String((await lines.next()).value), /"body":"It comes today\."/);
  await phoneClosed;
  assert.equal(phone.exitCode, 0);

  const quote = ['quote', contact, '--api-key', apiKey, ...data];
  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['by another name', ['--address', `127.0.0.1:${gatewayPort}`, ...trust, '--tls-server-name', 'localhost'], 0, /^$/],
    [
      'another authority',
      ['--address', gateway, '--tls-authority', theirs.authority],
      1,
      /authority that is not trusted/,
    ],
    [
      'authorities of this machine',
      ['--address', gateway, '--tls'],
      1,
      /authority that is not trusted.*\n.*--tls-authority/,
    ],
    ['open text', ['--address', gateway], 3, /closed before anything was said\nA port with TLS wants --tls/],
    ['TLS to open text', ['--address', gatewayAddress.replace('127.0.0.1', 'localhost'), ...trust], 1, /speaks no TLS/],
    ['out of time', ['--address', `localhost:${expiredPort}`, ...trust], 1, /out of its time/],
    ['another name', ['--address', gateway, ...trust, '--tls-server-name', 'example.org'], 1, /for another name/],
    ['an IP address', ['--address', `127.0.0.1:${gatewayPort}`, ...trust], 2, /an IP address is none/],
    ['no PEM', ['--address', gateway, '--tls-authority', join(folder, 'no-pem')], 2, /no-pem has no certificate/],
    ['no file', ['--address', gateway, '--tls-authority', join(folder, 'none')], 2, /cannot read the authorities/],
    ['a name alone', ['--address', gateway, '--tls-server-name', 'x'], 2, /give --tls or --tls-authority/],
    ['nobody there', ['--address', 'localhost:1', ...trust], 3, /nobody answers there/],
  ];
  const ended = await Promise.all(cases.map(([, more]) => run([...quote, ...more])));
  for (const [place, [what, , code, text]] of cases.entries()) {
    assert.equal(ended[place]?.code, code, `${what}: ${ended[place]?.err}`);
    assert.match(ended[place]?.err ?? '', text, what);
  }
  const stream = await run(['events', '--api-key', apiKey, '--address', gateway, '--tls', ...data]);
  assert.match(stream.err, /authority that is not trusted/);
  const wrong = await run([...quote, '--address', gateway], { CHAPPE_TLS: 'yes' });
  assert.match(wrong.err, /CHAPPE_TLS is true or false, not yes/);
});
