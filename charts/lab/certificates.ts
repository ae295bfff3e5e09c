/** The authority of the lab's cluster, the certificates that its parts show to each other, and their kubeconfigs. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../load-tests/stack/process-record.ts';
import { apiServer, certificatesFolder } from './layout.ts';
import { writeIfChanged } from './write-if-changed.ts';

export interface Authority {
  readonly certificate: string;
  readonly key: string;
}

export const authority: Authority = {
  certificate: join(certificatesFolder, 'ca.crt'),
  key: join(certificatesFolder, 'ca.key'),
};

/** With it tokens of service accounts are signed. */
export const serviceAccountKey = join(certificatesFolder, 'service-account.key');

const newKey = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];

export async function makeAuthority(): Promise<void> {
  await mkdir(certificatesFolder, { recursive: true, mode: 0o700 });
  if (!existsSync(authority.certificate)) await makeAuthorityAt(authority, 'chappe-lab');
  if (!existsSync(serviceAccountKey)) await runCommand('openssl', ['genrsa', '-out', serviceAccountKey, '2048']);
}

export async function makeAuthorityAt({ certificate, key }: Authority, name: string): Promise<void> {
  const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  await runCommand('openssl', [...newKey, ...usage, '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate]);
}

/** @param names as in a certificate: `IP:...`, `DNS:...` */
export async function signAt(
  files: Authority,
  by: Authority,
  subject: string,
  names: readonly string[] = [],
): Promise<void> {
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'extendedKeyUsage=serverAuth,clientAuth',
    ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
  ].flatMap((text) => ['-addext', text]);
  const signer = ['-CA', by.certificate, '-CAkey', by.key, '-subj', subject];
  await runCommand('openssl', [...newKey, ...signer, ...extensions, '-keyout', files.key, '-out', files.certificate]);
}

/** Made if it is not there. The subject's organisations are groups, its common name is the user. */
export async function certificateOf(name: string, subject: string, names: readonly string[] = []): Promise<Authority> {
  const files = { certificate: join(certificatesFolder, `${name}.crt`), key: join(certificatesFolder, `${name}.key`) };
  if (!existsSync(files.certificate)) await signAt(files, authority, subject, names);
  return files;
}

export async function writeKubeconfig(path: string, { certificate, key }: Authority): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'chappe-lab',
        cluster: { server: apiServer, 'certificate-authority-data': await dataOf(authority.certificate) },
      },
    ],
    users: [
      {
        name: 'self',
        user: { 'client-certificate-data': await dataOf(certificate), 'client-key-data': await dataOf(key) },
      },
    ],
    contexts: [{ name: 'chappe-lab', context: { cluster: 'chappe-lab', user: 'self' } }],
    'current-context': 'chappe-lab',
  };
  await writeIfChanged(path, JSON.stringify(config));
}

async function dataOf(file: string): Promise<string> {
  return (await readFile(file)).toString('base64');
}
