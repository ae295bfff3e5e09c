/**
 * Jasmin's console (jCli, over telnet), where users, connectors and routes are made: each command is written when the
 * prompt is there.
 */
import { connect } from 'node:net';

export interface JasminSettings {
  readonly port: number;
  readonly smppPort: number;
  readonly connectors: number;
}

/** @throws Error with what the console said, if it refuses something or is silent for a minute */
export async function configureJasmin({ port, smppPort, connectors }: JasminSettings): Promise<void> {
  const ids = Array.from({ length: connectors }, (_, index) => `centre${index + 1}`);
  await typeIn(port, [
    ...add('filter', { type: 'TransparentFilter', fid: 'everybody' }),
    ...add('group', { gid: 'applications' }),
    ...add('user', { username: 'application', password: 'sidebysi', gid: 'applications', uid: 'application' }),
    ...ids.flatMap((cid) => [
      // No bound on the rate: one a second is the default.
      ...add('smppccm', { cid, host: '127.0.0.1', port: String(smppPort), submit_throughput: '0' }),
      `smppccm -1 ${cid}`,
    ]),
    ...add('mtrouter', {
      type: 'RandomRoundrobinMTRoute',
      order: '10',
      filters: 'everybody',
      connectors: ids.map((id) => `smppc(${id})`).join(';'),
      rate: '0.0',
    }),
    // Kept for the next start.
    'persist',
  ]);
}

function add(thing: string, settings: Readonly<Record<string, string>>): string[] {
  return [`${thing} -a`, ...Object.entries(settings).map(([key, value]) => `${key} ${value}`), 'ok'];
}

/** The prompt of the console, or of one of its forms. */
const prompt = /(?:jcli : |> )$/;
const silenceMs = 60_000;

function typeIn(port: number, commands: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let said = '';
    let next = 0;
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`Jasmin's console ${why}: ${said.slice(-500)}`));
    };
    socket.setEncoding('utf8').setTimeout(silenceMs, () => fail('is silent'));
    socket.once('error', reject);
    // It shows its first prompt after a first line.
    socket.once('connect', () => socket.write('\r\n'));
    socket.on('data', (text: string) => {
      said += text;
      if (!prompt.test(said)) return;
      if (/Error|Unknown|fail|Incorrect|must be|No such|not found/i.test(said)) {
        fail('refused');
        return;
      }
      const command = commands[next];
      next += 1;
      said = '';
      if (command !== undefined) socket.write(`${command}\r\n`);
      else {
        socket.end('quit\r\n');
        resolve();
      }
    });
  });
}
