/** Authorities and certificates for tests, by openssl, in a folder that goes with the test. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { PeerTlsFiles } from '../src/tls.ts';

const run = promisify(execFile);

export async function makeFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const newKey = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

/** An authority, and a certificate of it for `localhost`. */
export async function makeCertificate(folder: string, name: string): Promise<PeerTlsFiles> {
  const authority = join(folder, `${name}-ca`);
  await run('openssl', [...newKey, '-subj', `/CN=${name} authority`, '-keyout', `${authority}-key`, '-out', authority]);
  const files = { authority, certificate: join(folder, name), key: join(folder, `${name}-key`) };
  await sign(name, files);
  return files;
}

export async function sign(name: string, { authority, certificate, key }: PeerTlsFiles): Promise<void> {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'];
  const signer = ['-CA', authority, '-CAkey', `${authority}-key`, '-addext', 'basicConstraints=critical,CA:FALSE'];
  await run('openssl', [...newKey, ...subject, ...signer, '-keyout', key, '-out', certificate]);
}

/** The same key and name, in a certificate whose time has passed. */
export async function signExpired(name: string, { authority, key }: PeerTlsFiles, certificate: string): Promise<void> {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost'];
  await run('openssl', ['req', '-new', '-key', key, ...subject, '-out', `${certificate}.csr`]);
  const signer = ['-CA', authority, '-CAkey', `${authority}-key`, '-days', '-1', '-copy_extensions', 'copy'];
  await run('openssl', ['x509', '-req', '-in', `${certificate}.csr`, ...signer, '-out', certificate]);
}
