/**
 * What an operator does when the witness is lost for good, and when a zone is lost as well: of three members of etcd, and of three controllers of Kafka, one
 * is left, which must be told that it is alone; and the way back to three. The commands are those of docs/cluster.md.
 *
 * Whoever was lost must stay away until then: two quorums that know nothing of each other would both go on.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { startEtcdMember } from '../stack/etcd.ts';
import { kafkaTool, startKafkaNodes } from '../stack/kafka.ts';
import type { Site } from '../stack/places.ts';
import { runCommand } from '../stack/process-record.ts';
import type { StackContext } from '../stack/stack-context.ts';

type Zone = 'a' | 'b';

/** As stack/kafka.ts has them. */
const nodesOf = { a: { controller: 1, broker: 2 }, b: { controller: 3, broker: 4 } } as const;
const witnessController = 5;
const brokerPorts = { a: 19_092, b: 19_094 } as const;
const everyVoter = [nodesOf.a.controller, nodesOf.b.controller, witnessController];
const etcdPorts: Readonly<Record<Site, { readonly client: number; readonly peer: number }>> = {
  a: { client: 12_379, peer: 12_380 },
  b: { client: 12_389, peer: 12_390 },
  witness: { client: 12_399, peer: 12_400 },
};

const joinedWithinMs = 60_000;
const pollMs = 500;

export interface ForcedQuorumOptions {
  readonly stack: StackContext;
  /** SIGTERM; resolves when it is gone. */
  readonly stop: (server: string) => Promise<void>;
  /** SIGKILL, for who waits for a majority: it would not end by itself. */
  readonly kill: (server: string) => Promise<void>;
}

export class ForcedQuorum {
  readonly #stack: StackContext;
  readonly #stop: ForcedQuorumOptions['stop'];
  readonly #kill: ForcedQuorumOptions['kill'];

  constructor({ stack, stop, kill }: ForcedQuorumOptions) {
    this.#stack = stack;
    this.#stop = stop;
    this.#kill = kill;
  }

  /** The member of a zone goes on alone, with what it has. */
  async forceEtcd(left: Zone): Promise<void> {
    const name = `etcd-${left}`;
    await this.#stop(name);
    await startEtcdMember(this.#stack, name, '--force-new-cluster');
    // Ended before it has written that it is alone, it would wait for the others again.
    await repeated(() => this.#etcdctl(left, [this.#endpointOf(left), 'endpoint', 'health']));
    // Once: with the option each start would throw out the members that have joined meanwhile.
    await this.#stop(name);
    await startEtcdMember(this.#stack, name);
  }

  /**
   * The controller of a zone is the only voter; the zone's other broker finds it by itself. It takes the copies of the lost
   * zone for the newest, whatever the others have, so the leaders are chosen by hand. Nothing is lost by that if all copies
   * were in sync at the loss: without a majority none could be left out, and so nothing was acknowledged since.
   */
  async forceKafka(left: Zone): Promise<void> {
    const { controller } = nodesOf[left];
    await this.#kill(`kafka-${controller}`);
    await this.#forgetVoters(controller);
    await startKafkaNodes(this.#stack, [controller], [controller]);
    const server = `${this.#stack.places[left].host}:${brokerPorts[left]}`;
    const everything = ['--election-type', 'UNCLEAN', '--all-topic-partitions'];
    const elect = [...kafkaTool(this.#stack, 'LeaderElectionCommand'), '--bootstrap-server', server, ...everything];
    // Until its brokers are back in its books.
    await repeated(() => this.#run(left, elect));
  }

  /** A member that was lost joins as a new one, with nothing; the one of its name, if there still is one, is removed. */
  async joinEtcd(site: Site, left: Zone): Promise<void> {
    const { places, dataFolder } = this.#stack;
    const name = `etcd-${site}`;
    const endpoint = this.#endpointOf(left);
    const peer = `--peer-urls=http://${places[site].host}:${etcdPorts[site].peer}`;
    const known = (await this.#etcdctl(left, [endpoint, 'member', 'list'])).split('\n');
    const [former] = known.filter((line) => line.includes(`, ${name}, `));
    if (former !== undefined) await this.#etcdctl(left, [endpoint, 'member', 'remove', former.split(',')[0] ?? '']);
    // Refused as long as a member that was added before is not there.
    const answer = await repeated(() => this.#etcdctl(left, [endpoint, 'member', 'add', name, peer]));
    const initialCluster = /ETCD_INITIAL_CLUSTER="(.*)"/.exec(answer)?.[1] ?? '';
    await rm(`${dataFolder}/${name}`, { recursive: true, force: true });
    const joining = ['--initial-cluster-state', 'existing', '--initial-cluster', initialCluster];
    await startEtcdMember(this.#stack, name, ...joining);
    await repeated(() => this.#etcdctl(left, [endpoint, 'endpoint', 'health', '--cluster']));
  }

  /** A witness whose disk is lost, while the two others are there. */
  async replaceWitness(left: Zone): Promise<void> {
    await this.joinEtcd('witness', left);
    await rm(`${this.#stack.dataFolder}/kafka-${witnessController}`, { recursive: true, force: true });
    await startKafkaNodes(this.#stack, [witnessController], everyVoter);
  }

  /**
   * Three voters again. Those that were lost forget their log: a majority of them could lead with what they had. For the same
   * reason the second comes when the one that has the log leads.
   */
  async joinKafka(left: Zone): Promise<void> {
    const back = nodesOf[left === 'a' ? 'b' : 'a'];
    const { controller } = nodesOf[left];
    const { dataFolder } = this.#stack;
    for (const id of [back.controller, witnessController])
      await rm(`${dataFolder}/kafka-${id}/data/__cluster_metadata-0`, { recursive: true, force: true });
    await this.#stop(`kafka-${controller}`);
    await this.#forgetVoters(controller);
    await startKafkaNodes(this.#stack, [controller, back.controller, back.broker], everyVoter);
    await startKafkaNodes(this.#stack, [witnessController], everyVoter);
  }

  /** A controller refuses to start with other voters than this file names. */
  async #forgetVoters(controller: number): Promise<void> {
    await rm(`${this.#stack.dataFolder}/kafka-${controller}/data/__cluster_metadata-0/quorum-state`);
  }

  #endpointOf(site: Site): string {
    return `--endpoints=http://${this.#stack.places[site].host}:${etcdPorts[site].client}`;
  }

  #etcdctl(from: Site, args: readonly string[]): Promise<string> {
    return this.#run(from, ['etcdctl', ...args]);
  }

  async #run(from: Site, words: readonly string[]): Promise<string> {
    const [command = '', ...args] = [...this.#stack.places[from].enter, ...words];
    return runCommand(command, args, { environment: { ETCDCTL_API: '3' } });
  }
}

async function repeated(act: () => Promise<string>): Promise<string> {
  const endMs = performance.now() + joinedWithinMs;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await pause(pollMs);
    }
  }
}
