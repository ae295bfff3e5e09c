import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Registry } from 'prom-client';
import { endOf, processMetrics } from '../src/process-metrics.ts';

const run = promisify(execFile);
const daySeconds = 86_400;

async function makeCertificate(folder: string, days: number): Promise<string> {
  const path = join(folder, `of-${days}-days.pem`);
  const key = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-subj',
    '/CN=test',
  ];
  await run('openssl', [...key, '-days', String(days), '-keyout', join(folder, 'key'), '-out', path]);
  return path;
}

async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-certificates-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const days = (seconds: number | undefined): number => Math.round(((seconds ?? 0) - Date.now() / 1_000) / daySeconds);

test('of a chain the certificate that ends first counts', async (t) => {
  const folder = await makeFolder(t);
  const chain = await Promise.all([30, 5].map(async (each) => readFile(await makeCertificate(folder, each), 'utf8')));
  assert.equal(days(endOf(chain.join(''))), 5);
  assert.equal(endOf('no certificate'), undefined);
});

test('a renewed file is seen, unless the process uses what it read at its start', async (t) => {
  const folder = await makeFolder(t);
  const [old, renewed] = [await makeCertificate(folder, 5), await makeCertificate(folder, 30)];
  const path = join(folder, 'used.pem');
  await cp(old, path);
  const metrics = new Registry();
  processMetrics(metrics, {
    isReady: () => true,
    certificates: [
      { name: 'peer_certificate', path, isReadAgain: true },
      { name: 'store_authority', path, isReadAgain: false },
      { name: 'absent', path: join(folder, 'absent'), isReadAgain: true },
    ],
  });
  const shown = async (): Promise<(readonly [unknown, number])[]> =>
    ((await metrics.getSingleMetric('chappe_tls_not_after_timestamp_seconds')?.get())?.values ?? []).map(
      ({ labels, value }) => [labels['certificate'], days(value)] as const,
    );
  assert.deepEqual(await shown(), [
    ['peer_certificate', 5],
    ['store_authority', 5],
  ]);
  await cp(renewed, path);
  assert.deepEqual(await shown(), [
    ['peer_certificate', 30],
    ['store_authority', 5],
  ]);
});
