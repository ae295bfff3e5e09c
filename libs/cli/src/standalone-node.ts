/** The standalone node as a child process: libraries never import services, but may start one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface NodeOptions {
  readonly dataFolder: string;
  /** `host:port`; port 0: any free one. */
  readonly gatewayAddress: string;
  readonly deviceAddress: string;
  readonly adminPort: number;
  /** `info`, `warn`, ... Absent: as the node's own default. */
  readonly logLevel?: string;
  /** Where its log and what it says besides go. */
  readonly onLine: (line: string) => void;
}

export interface NodeProcess extends AsyncDisposable {
  readonly gateway: string;
  readonly devices: string;
  readonly admin: string;
  /** Resolves when the process has ended, with its exit code or 128 for a signal. */
  readonly ended: Promise<number>;
  /** Asks it to end; the second time it is killed. */
  stop(): void;
}

interface Ready {
  readonly gateway: string;
  readonly devices: string;
  readonly admin: string;
}

/** What keeps the node from starting: a port in use, a folder that cannot be written, a wrong key file. */
class NodeStartError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'NodeStartError';
  }
}

/** How the node begins the line that says why it ends. */
const lastWords = 'chappe: ';

/** A start takes under 2 s; a machine under load gets this long. */
const startMsMax = 30_000;
/** A stop drains what is on its way. */
const stopMsMax = 10_000;

/** @throws NodeStartError when it ends or stays silent instead of being ready */
export async function startNode(options: NodeOptions): Promise<NodeProcess> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve('@chappe/standalone/main'))], {
    env: {
      // Two allocation arenas of glibc instead of eight a core: a tenth less memory, measured with 100,000 contacts.
      MALLOC_ARENA_MAX: '2',
      ...process.env,
      CHAPPE_DATA: options.dataFolder,
      CHAPPE_GATEWAY_ADDRESS: options.gatewayAddress,
      CHAPPE_DEVICE_ADDRESS: options.deviceAddress,
      CHAPPE_ADMIN_PORT: String(options.adminPort),
      ...(options.logLevel === undefined ? {} : { CHAPPE_LOG_LEVEL: options.logLevel }),
    },
    // Of its own process group, so that Ctrl-C reaches this process first, which then stops the node.
    detached: true,
    // The channel carries nothing: when this process is gone, however it went, the node notices and stops.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code]) => (typeof code === 'number' ? code : 128));
  const killWithThis = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithThis);
  void ended.then(() => process.off('exit', killWithThis));

  const ready = await waitForReady(child, ended, options.onLine).catch(async (error: unknown) => {
    child.kill('SIGKILL');
    await ended;
    throw error;
  });
  let isStopping = false;
  const stop = (): void => {
    child.kill(isStopping ? 'SIGKILL' : 'SIGTERM');
    isStopping = true;
  };
  return {
    ...ready,
    ended,
    stop,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      stop();
      const timer = setTimeout(stop, stopMsMax);
      await ended;
      clearTimeout(timer);
    },
  };
}

async function waitForReady(
  child: ChildProcess,
  ended: Promise<number>,
  onLine: (line: string) => void,
): Promise<Ready> {
  const said: string[] = [];
  return await new Promise<Ready>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new NodeStartError(`the node was not ready within ${startMsMax / 1_000} s`)),
      startMsMax,
    );
    const hear = (line: string): void => {
      const ready = parseReady(line);
      if (ready === undefined) {
        if (!line.startsWith(lastWords)) onLine(line);
        if (said.push(line) > 5) said.shift();
        return;
      }
      clearTimeout(timer);
      resolve(ready);
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', hear);
    }
    void ended.then((code) => {
      clearTimeout(timer);
      // The node's last words, without what it logged before.
      const reason = said.findLast((line) => line.startsWith(lastWords))?.slice(lastWords.length);
      reject(new NodeStartError(`the node did not start: ${reason ?? `it ended with exit code ${code}`}`));
    });
  });
}

function parseReady(line: string): Ready | undefined {
  if (!line.startsWith('{"ready"')) return undefined;
  try {
    const { gateway, devices, admin } = JSON.parse(line) as Partial<Ready>;
    return gateway === undefined || devices === undefined ? undefined : { gateway, devices, admin: String(admin) };
  } catch {
    return undefined;
  }
}
