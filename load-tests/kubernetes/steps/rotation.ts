/** Secrets are changed under load: certificates where they are, a login by the side of the one before. */
import { X509Certificate } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { kubectl, until } from '../../../charts/lab/kubectl.ts';
import { podsOf, runIn } from '../pods.ts';
import { change, makePeerSecret, namespace, sql } from '../releases.ts';
import { secondsText, type Step } from '../step.ts';
import { complaintsAbout, underLoad } from '../under-load.ts';
import { allReady } from './changes.ts';

/** Where services show the certificate to each other. */
const peerPorts: Readonly<Record<string, number>> = { sender: 7403, crypto: 7404, relay: 7407, billing: 7406 };
/** Kubelets bring a changed secret within a minute or so; services look every 10 s. */
const servedMsMax = 150_000;
const handshakeMsMax = 5_000;
const lookIntervalMs = 2_000;
/** Who may look: network policies let only those in that have to call. */
const lookers: Readonly<Record<string, string>> = {
  sender: 'gateway',
  crypto: 'gateway',
  billing: 'gateway',
  relay: 'sender',
};
const [before, after] = ['chappe', 'chappe_b'];

export const rotation: Step = {
  name: 'rotation',
  what: 'under load the certificates of the services are renewed, without a restart; then the database is reached by another login, and nobody uses the one before',
  run: async (context) => {
    const figures: Record<string, string> = {};
    const complaints: string[] = [];
    const load = await underLoad(
      { ...context, ...context.installed() },
      async () => {
        const startedAt = performance.now();
        const restarts = await restartsOf();
        const renewed = new X509Certificate(await makePeerSecret(namespace)).fingerprint256;
        await until('all show the renewed certificate', servedMsMax, async () => {
          await pause(lookIntervalMs);
          const shown = await shownCertificates();
          return shown.length > 0 && shown.every((fingerprint) => fingerprint === renewed);
        });
        figures['renewed certificate shown by all'] = secondsText(performance.now() - startedAt);
        if ((await restartsOf()) !== restarts) complaints.push('a process was started anew for its certificate');
        const renewedAt = performance.now();
        // New connections, by everybody who calls it.
        const crypto = (await podsOf('chappe')).find(({ component }) => component === 'crypto')?.name ?? '';
        await kubectl(['--namespace', namespace, 'delete', 'pod', crypto]);
        await allReady(12);
        figures['a crypto that is called anew, ready'] = secondsText(performance.now() - renewedAt);
        const loginAt = performance.now();
        await secondLogin();
        await change({ store: { user: after, secret: 'chappe-store-b' } });
        figures['the other login used by all'] = secondsText(performance.now() - loginAt);
      },
      { isProbed: true },
    );
    const left = await sql(
      `SELECT COUNT(*) FROM information_schema.processlist WHERE user = '${before}' AND db = 'chappe'`,
    );
    if (left !== '0') complaints.push(`${left} connections still have the login before`);
    return { figures, load, complaints: [...complaintsAbout(load), ...complaints] };
  },
};

/** The same rights under another name, and its password in a secret of its own: both are good until the first is taken away. */
async function secondLogin(): Promise<void> {
  const password = 'rotated-0123456789abcdef';
  await sql(
    `CREATE OR REPLACE USER ${after} IDENTIFIED BY '${password}'; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON chappe.* TO ${after}`,
  );
  const secret = ['create', 'secret', 'generic', 'chappe-store-b', `--from-literal=password=${password}`];
  const made = await kubectl(['--namespace', namespace, ...secret, '--dry-run=client', '--output=json']);
  await kubectl(['--namespace', namespace, 'apply', '--filename', '-'], made);
}

async function restartsOf(): Promise<string> {
  const path = 'jsonpath={range .items[*]}{.metadata.name}={.status.containerStatuses[0].restartCount} {end}';
  const selector = '--selector=app.kubernetes.io/instance=chappe';
  return kubectl(['--namespace', namespace, 'get', 'pods', selector, `--output=${path}`]);
}

/** Every certificate that is shown on a port between services. @throws Error if nobody is there who may look */
async function shownCertificates(): Promise<string[]> {
  const pods = await podsOf('chappe');
  const shown = Object.entries(lookers).map(async ([service, looker]) => {
    const from = pods.find(({ component }) => component === looker);
    if (from === undefined) throw new Error(`there is no ${looker}`);
    const called = pods.filter(({ component }) => component === service);
    const addresses = called.map(({ address }) => `${address}:${peerPorts[service] ?? 0}`);
    return (await runIn(from.name, printCertificates, addresses)).trim().split('\n');
  });
  return (await Promise.all(shown)).flat();
}

/** A certificate is shown before the caller's own is asked for, so none is needed to see it. */
const printCertificates = `
const { connect } = require('node:tls');
for (const target of process.argv.slice(1)) {
  const [host, port] = target.split(':');
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'], timeout: ${handshakeMsMax} });
  let shown = target + ' shows none';
  const end = () => socket.destroy();
  socket.once('secureConnect', () => { shown = socket.getPeerCertificate().fingerprint256; end(); });
  socket.once('timeout', end).on('error', end).once('close', () => console.log(shown));
}
`;
