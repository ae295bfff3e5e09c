/**
 * Zone a, zone b and the witness as network namespaces of their own, each joined to the run's by a pair of virtual
 * interfaces. The run's own namespace is the router between them, where packets are dropped, and the internet, from which
 * businesses and devices come. They go with the run: their names lie on a disk of its mount namespace.
 *
 * The database has an address that moves, as the endpoint of a managed database does: it leads to the zone of the primary.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import type { Place, Places, Site } from '../stack/places.ts';
import { runCommand } from '../stack/process-record.ts';

const sites: readonly Site[] = ['a', 'b', 'witness'];

const namesFolder = '/run/netns';
const database = '10.77.9.1';

const links: Readonly<Record<Site, { readonly network: string; readonly interface: string }>> = {
  a: { network: '10.77.1', interface: 'zone-a' },
  b: { network: '10.77.2', interface: 'zone-b' },
  witness: { network: '10.77.3', interface: 'witness' },
};

/** Packets that are dropped on their way through the run's namespace, as an iptables rule without its verb. */
type Rule = readonly [chain: 'FORWARD' | 'INPUT' | 'OUTPUT', ...match: string[]];

const placeOf = (site: Site): Place => ({
  host: `${links[site].network}.1`,
  enter: ['nsenter', `--net=${namesFolder}/${site}`],
});

export class ZoneNetwork {
  readonly places: Places = {
    a: placeOf('a'),
    b: placeOf('b'),
    witness: placeOf('witness'),
    database,
    databaseListens: '0.0.0.0',
    databaseClients: '10.77.%',
  };

  static async make(): Promise<ZoneNetwork> {
    await mkdir(namesFolder, { recursive: true });
    await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', namesFolder]);
    const network = new ZoneNetwork();
    for (const site of sites) await network.#join(site);
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1');
    return network;
  }

  async #join(site: Site): Promise<void> {
    const { network, interface: outside } = links[site];
    const inside = ['-n', site];
    await ip('netns', 'add', site);
    await ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', site);
    await ip('address', 'add', `${network}.254/24`, 'dev', outside);
    await ip('link', 'set', outside, 'up');
    await ip(...inside, 'link', 'set', 'lo', 'up');
    await ip(...inside, 'address', 'add', `${network}.1/24`, 'dev', 'eth0');
    await ip(...inside, 'link', 'set', 'eth0', 'up');
    await ip(...inside, 'route', 'add', 'default', 'via', `${network}.254`);
  }

  /** Every packet from and to a site is dropped. */
  async cut(site: Site): Promise<void> {
    for (const rule of rulesOfCut(site)) await filter('-I', rule);
  }

  async mend(site: Site): Promise<void> {
    for (const rule of rulesOfCut(site)) await filter('-D', rule);
  }

  /** A share of the packets between sites is dropped, by chance; clients' ways to them stay as they are. */
  async lose(share: number): Promise<void> {
    await filter('-A', lossRule(share));
  }

  async endLoss(share: number): Promise<void> {
    await filter('-D', lossRule(share));
  }

  /** Where the database's address leads to from now on, but for who is in a zone that has it as well. */
  async leadDatabaseTo(zone: 'a' | 'b'): Promise<void> {
    await ip('-n', zone, 'address', 'replace', `${database}/32`, 'dev', 'lo');
    await ip('route', 'replace', `${database}/32`, 'via', placeOf(zone).host);
  }

  /** A zone that was lost still has the address: it is taken away before anybody else is reached from there. */
  async takeDatabaseFrom(zone: 'a' | 'b'): Promise<void> {
    await ip('-n', zone, 'address', 'flush', 'dev', 'lo', 'to', `${database}/32`);
  }
}

function rulesOfCut(site: Site): readonly Rule[] {
  const { interface: name } = links[site];
  const drop = ['-j', 'DROP'];
  return [
    ['FORWARD', '-i', name, ...drop],
    ['FORWARD', '-o', name, ...drop],
    ['INPUT', '-i', name, ...drop],
    ['OUTPUT', '-o', name, ...drop],
  ];
}

function lossRule(share: number): Rule {
  return ['FORWARD', '-m', 'statistic', '--mode', 'random', '--probability', String(share), '-j', 'DROP'];
}

async function filter(verb: '-A' | '-I' | '-D', [chain, ...match]: Rule): Promise<void> {
  await runCommand('iptables', ['-w', verb, chain, ...match]);
}

async function ip(...args: readonly string[]): Promise<void> {
  await runCommand('ip', args);
}
