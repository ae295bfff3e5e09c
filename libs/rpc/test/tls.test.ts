/** TLS between services, with certificates of authorities made here: who may call whom, and what a renewed one changes. */
import assert from 'node:assert/strict';
import { cp, readFile } from 'node:fs/promises';
import test, { type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { credentials } from '@grpc/grpc-js';
import { Channel } from '../src/client.ts';
import { implement, startServer } from '../src/server.ts';
import { peerTls, serverTls, type PeerTls, type PeerTlsFiles } from '../src/tls.ts';
import { makeCertificate, makeFolder, sign } from './certificates.ts';

const refreshMs = 50;

async function serve(t: TestContext, shown: PeerTls['server']): Promise<{ readonly address: string }> {
  const server = await startServer({
    address: '127.0.0.1:0',
    credentials: shown,
    onUnexpected: (error) => assert.fail(String(error)),
    implementations: [implement(PreKeyService, { claim: async () => ({}) })],
  });
  t.after(() => server.close(0));
  // By name: Node does not check a certificate against an IP address as a server's name.
  return { address: server.address.replace('127.0.0.1', 'localhost') };
}

async function claim(address: string, shown?: PeerTls['channel']): Promise<unknown> {
  using channel = new Channel({ address, credentials: shown });
  return await channel.client(PreKeyService).claim({}, { deadlineMs: 2_000 });
}

/** What the server shows to who connects now. */
function subjectAt(address: string, files: PeerTlsFiles): Promise<string> {
  return new Promise((resolve, reject) => {
    void Promise.all([files.authority, files.certificate, files.key].map((path) => readFile(path))).then(
      ([ca, cert, key]) => {
        const socket = connectTls({
          host: 'localhost',
          port: Number(address.split(':')[1]),
          ca,
          cert,
          key,
          ALPNProtocols: ['h2'],
        });
        socket.once('error', reject);
        socket.once('secureConnect', () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
      },
      reject,
    );
  });
}

test('services call each other with certificates of one authority, and nobody else gets in', async (t) => {
  const folder = await makeFolder(t);
  const ours = await makeCertificate(folder, 'ours');
  const theirs = await makeCertificate(folder, 'theirs');
  const { address } = await serve(t, peerTls(ours).server);
  await claim(address, peerTls(ours).channel);
  const refused = { reason: 'notReady', message: /No connection established/u };
  await assert.rejects(claim(address), refused, 'open text');
  await assert.rejects(claim(address, peerTls(theirs).channel), refused, 'of another authority');
  const halfTheirs = { ...theirs, authority: ours.authority };
  await assert.rejects(claim(address, peerTls(halfTheirs).channel), Error, 'trusts us, and is not of us');
});

test('a renewed certificate serves the next connection without a restart', async (t) => {
  const folder = await makeFolder(t);
  const now = await makeCertificate(folder, 'now');
  const { address } = await serve(t, peerTls(now, refreshMs).server);
  await claim(address, peerTls(now).channel);
  assert.equal(await subjectAt(address, now), 'now');
  // Of the same authority, as renewed ones are.
  const { authority, certificate, key } = now;
  await sign('renewed', { authority, certificate: `${certificate}.new`, key: `${key}.new` });
  await cp(`${key}.new`, key);
  await cp(`${certificate}.new`, certificate);
  const endMs = performance.now() + 5_000;
  while ((await subjectAt(address, now)) !== 'renewed') {
    assert.ok(performance.now() < endMs, 'the renewed certificate is not shown');
    await pause(refreshMs);
  }
  await claim(address, peerTls(now).channel);
});

test('callers from outside need no certificate, and check the one they see', async (t) => {
  const folder = await makeFolder(t);
  const ours = await makeCertificate(folder, 'ours');
  const theirs = await makeCertificate(folder, 'theirs');
  const { address } = await serve(t, serverTls(ours));
  await claim(address, credentials.createSsl(await readFile(ours.authority)));
  await assert.rejects(claim(address, credentials.createSsl(await readFile(theirs.authority))));
});
