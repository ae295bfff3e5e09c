/**
 * The one program of the image: `chappe-image <service>` starts that service in this process, `migrate` brings
 * the tables of all of them up to date, and anything else is the command-line tool: `up`, `ranges`, `send`, ...
 */
import { setFlagsFromString } from 'node:v8';

const services = {
  gateway: () => import('@chappe/gateway/main'),
  coordinator: () => import('@chappe/coordinator/main'),
  sender: () => import('@chappe/sender/main'),
  crypto: () => import('@chappe/crypto/main'),
  relay: () => import('@chappe/relay/main'),
  billing: () => import('@chappe/billing/main'),
  migrate: () => import('./migrate.ts'),
};

/**
 * How much a heap may grow from one collection to the next, in percent, so that a process of 40 MB in use is not
 * marked anew several times a second. Relays and senders have more in use, for each connection and each contact, and
 * keep below 250 MB with less. What it brings: docs/cluster.md, "A process".
 */
const heapGrowth: Partial<Record<keyof typeof services, number>> = { relay: 60, sender: 60 };

const [, , name = ''] = process.argv;
if (isService(name)) {
  process.argv.splice(2, 1);
  setFlagsFromString(`--heap-growing-percent=${heapGrowth[name] ?? 100}`);
  await services[name]();
} else {
  await import('@chappe/cli/main');
}

function isService(text: string): text is keyof typeof services {
  return Object.hasOwn(services, text);
}
