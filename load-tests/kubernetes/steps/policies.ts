/** Who can reach whom, tried from inside of the pods: what the network policies of the chart promise, and nothing besides. */
import { kubectl } from '../../../charts/lab/kubectl.ts';
import { podsOf, runIn, type Pod } from '../pods.ts';
import { namespace } from '../releases.ts';
import type { Step } from '../step.ts';

const services = ['gateway', 'coordinator', 'sender', 'crypto', 'relay', 'billing'];
/** A pod of no release, in the same namespace. */
const stranger = 'stranger';
const everybody = [...services, stranger];

/** By service and port: who may connect. */
const wanted: Readonly<Record<string, Readonly<Record<number, readonly string[]>>>> = {
  gateway: { 7401: everybody, 7490: everybody },
  coordinator: { 7490: everybody },
  sender: { 7403: ['gateway', 'relay'], 7490: everybody },
  crypto: { 7404: ['gateway', 'sender', 'relay'], 7490: everybody },
  relay: { 7405: everybody, 7407: ['sender'], 7490: everybody },
  billing: { 7406: ['gateway'], 7490: everybody },
};

const connectMsMax = 1_500;

/** Prints which of `address:port` take a connection. */
const tryAll = `
const { connect } = require('node:net');
const tryOne = (target) => new Promise((resolve) => {
  const [host, port] = target.split(':');
  const socket = connect({ host, port: Number(port), timeout: ${connectMsMax} });
  const end = (isOpen) => { socket.destroy(); resolve(isOpen ? [target] : []); };
  socket.once('connect', () => end(true)).once('timeout', () => end(false)).once('error', () => end(false));
});
Promise.all(process.argv.slice(1).map(tryOne)).then((open) => console.log(open.flat().join('\\n')));
`;

export const policies: Step = {
  name: 'policies',
  what: 'from a pod of each service and from a stranger: ports of every pod that it has to reach, and of those that it must not',
  run: async () => {
    const pods = await podsOf('chappe');
    const image = pods[0]?.image ?? '';
    await kubectl(['--namespace', namespace, 'apply', '--filename', '-'], JSON.stringify(strangerOf(image)));
    try {
      await kubectl(['--namespace', namespace, 'wait', '--for=condition=Ready', `pod/${stranger}`, '--timeout=60s']);
      const tried: Attempt[] = [];
      for (const caller of everybody) tried.push(...(await attemptsOf(caller, pods)));
      const wrong = tried.filter(({ isOpen, isWanted }) => isOpen !== isWanted);
      const complaints = wrong.map(
        ({ caller, target, isOpen }) => `${caller} ${isOpen ? 'reaches' : 'does not reach'} ${target}`,
      );
      return {
        figures: {
          'connections tried': String(tried.length),
          open: String(tried.filter(({ isOpen }) => isOpen).length),
          refused: String(tried.filter(({ isOpen }) => !isOpen).length),
        },
        complaints: [...new Set(complaints)],
      };
    } finally {
      await kubectl(['--namespace', namespace, 'delete', 'pod', stranger, '--grace-period=0', '--force']);
    }
  },
};

interface Attempt {
  readonly caller: string;
  /** E.g. `sender:7403`. */
  readonly target: string;
  readonly isOpen: boolean;
  readonly isWanted: boolean;
}

/** From one pod of the caller to every port of all others. */
async function attemptsOf(caller: string, pods: readonly Pod[]): Promise<Attempt[]> {
  const from = caller === stranger ? stranger : (pods.find(({ component }) => component === caller)?.name ?? '');
  const targets = pods
    .filter(({ name }) => name !== from)
    .flatMap(({ component, address }) =>
      Object.entries(wanted[component] ?? {}).map(([port, callers]) => ({
        address: `${address}:${port}`,
        target: `${component}:${port}`,
        isWanted: callers.includes(caller),
      })),
    );
  const addresses = targets.map(({ address }) => address);
  const open = new Set((await runIn(from, tryAll, addresses)).split('\n'));
  return targets.map(({ address, target, isWanted }) => ({ caller, target, isOpen: open.has(address), isWanted }));
}

function strangerOf(image: string): object {
  const rights = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: stranger },
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      automountServiceAccountToken: false,
      containers: [
        {
          name: stranger,
          image,
          command: ['/usr/bin/node', '--eval', 'setInterval(() => undefined, 60_000)'],
          securityContext: rights,
        },
      ],
    },
  };
}
