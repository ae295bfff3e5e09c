/**
 * The cluster that faults are done to: the processes of the local cluster on servers of its own, in
 * the run's namespace, or in those of two zones and a witness. Everything here names a process as the layout does (`sender-a1`), or a server
 * of the stack (`kafka-1`, `etcd-a`, `mariadb-a`).
 */
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { AdminClient } from '@chappe/client/admin-client';
import { StoreChangeKind, type Range as RangeStatus } from '@chappe/proto/v1/cluster_service';
import { environmentOf, furtherStoreAddress, identityOfCluster, makeDatabase } from '../cluster/environment.ts';
import { addressesOf, adminPortOf, dataFolder, members, preKeyAddresses } from '../cluster/layout.ts';
import { metricSum } from '../cluster/metric-sum.ts';
import type { Member } from '../cluster/layout.ts';
import { serviceArguments } from '../cluster/node-settings.ts';
import { etcd } from '../stack/etcd.ts';
import { Kafka, logLevel } from 'kafkajs';
import { kafka } from '../stack/kafka.ts';
import { leavePrimaryAlone, mariadb, promoteReplica, siteOfPrimary } from '../stack/mariadb.ts';
import type { Place, Site } from '../stack/places.ts';
import {
  accepts,
  logPath,
  runCommand,
  serversOf,
  signalServer,
  startServer,
  stopServer,
} from '../stack/process-record.ts';
import { stackContext } from '../stack/stack-context.ts';
import type { StackContext } from '../stack/stack-context.ts';
import { limitCpu } from './cpu-quota.ts';
import { DatabaseStandIn } from './database-stand-in.ts';
import type { ServerAddress } from './database-stand-in.ts';
import { ForcedQuorum } from './forced-quorum.ts';
import { readLog } from './process-log.ts';
import type { LogLine } from './process-log.ts';
import { servers } from './servers.ts';
import type { Server } from './servers.ts';
import { moveToSmallDisk } from './small-disk.ts';
import type { SmallDisk } from './small-disk.ts';
import type { ZoneNetwork } from './zone-network.ts';

/** Of the first process; filters tell processes apart by their group. */
const firstGroup = 20_001;
const readyMsMax = 120_000;
const readyMsUsual = 15_000;
const pollMs = 100;
const changeMsMax = 30_000;

export class FaultCluster implements AsyncDisposable {
  readonly #stack: StackContext;
  readonly #zones: 1 | 2;
  readonly #network: ZoneNetwork | undefined;
  readonly #standIn: DatabaseStandIn | undefined;
  /** Over the usual environment, of processes that break a rule on purpose. */
  readonly #environments = new Map<string, Readonly<Record<string, string>>>();
  /** What is done to the cluster now, by name: how each of it ends. */
  readonly #inForce = new Map<string, () => Promise<void>>();
  #admin: AdminClient | undefined;
  #name = '';

  /**
   * @param folder of the servers; what an earlier run left there is ended and removed
   * @param network of two zones and a witness; absent: one zone, in the run's namespace
   */
  constructor(folder: string, network?: ZoneNetwork) {
    this.#zones = network === undefined ? 1 : 2;
    this.#network = network;
    const stack = { ...stackContext(this.#zones, () => undefined), dataFolder: folder };
    this.#stack = network === undefined ? stack : { ...stack, places: network.places };
    this.#standIn =
      network &&
      new DatabaseStandIn({
        addresses: async () => {
          const of = (server: Server): ServerAddress => ({
            host: this.#placeOf(server).host,
            port: servers[server].port,
          });
          const [a, b] = [of('mariadb-a'), of('mariadb-b')];
          return (await this.primary()) === 'mariadb-a' ? { primary: a, replica: b } : { primary: b, replica: a };
        },
        leaveAlone: () => leavePrimaryAlone(this.#stack),
        promote: async () => network.leadDatabaseTo(await promoteReplica(this.#stack)),
      });
  }

  get admin(): AdminClient {
    if (this.#admin === undefined) throw new Error('the cluster was not started');
    return this.#admin;
  }

  get name(): string {
    return this.#name;
  }

  /** Where processes write codes, keys and logs. */
  get dataFolder(): string {
    return dataFolder;
  }

  async startStack(): Promise<void> {
    await this.#endAll();
    await rm(this.#stack.dataFolder, { recursive: true, force: true });
    await Promise.all([kafka, etcd, mariadb].map((part) => part.start(this.#stack)));
    await this.#network?.leadDatabaseTo('a');
    this.#standIn?.start();
  }

  /** Of the gateways, say, as clients are given them. */
  addressesOf(service: Member['service']): string {
    return addressesOf(service, this.#stack.places);
  }

  preKeyAddresses(): string {
    return preKeyAddresses(this.#stack.places);
  }

  /** The database server that takes commits. */
  async primary(): Promise<'mariadb-a' | 'mariadb-b'> {
    return `mariadb-${await siteOfPrimary(this.#stack)}`;
  }

  /** When one database server went on without the other, by the clock of `performance`. */
  get databaseWentOnAt(): number | undefined {
    return this.#standIn?.actedAt;
  }

  /** Why it could not yet. */
  get databaseProblem(): string | undefined {
    return this.#standIn?.problem;
  }

  #placeOf(name: string): Place {
    return this.#stack.places[servers[name as Server]?.site ?? memberOf(name).zone];
  }

  #namesIn(site: Site): string[] {
    const ofSite = this.#serverNames().filter((name) => servers[name].site === site);
    return [...ofSite, ...members.filter(({ zone }) => zone === site).map(({ name }) => name)];
  }

  get #zoned(): ZoneNetwork {
    if (this.#network === undefined) throw new Error('the row wants two zones');
    return this.#network;
  }

  /** Drops every packet from and to a zone or the witness, until it is joined again. */
  async cutOff(site: Site): Promise<void> {
    const network = this.#zoned;
    await network.cut(site);
    this.#inForce.set(`cut off ${site}`, () => network.mend(site));
  }

  async join(site: Site): Promise<void> {
    await this.#end(`cut off ${site}`);
  }

  /** kill -9 of everything in a zone or at the witness. */
  async killAll(site: Site): Promise<void> {
    await Promise.all(this.#namesIn(site).map((name) => this.kill(name)));
  }

  /**
   * A zone that was lost: what runs there is started anew, a former primary as a replica.
   *
   * @param quorum whether the other zone went on alone: then zone and witness join it
   */
  async bringBack(zone: 'a' | 'b', quorum: 'kept' | 'forced' = 'kept'): Promise<void> {
    await this.killAll(zone);
    if ((await this.primary()) !== `mariadb-${zone}`) await this.#zoned.takeDatabaseFrom(zone);
    await this.join(zone);
    if (quorum === 'forced') {
      const left = zone === 'a' ? 'b' : 'a';
      await this.join('witness');
      for (const site of [zone, 'witness'] as const) await this.#quorum.joinEtcd(site, left);
      await this.#quorum.joinKafka(left);
    }
    for (const part of [kafka, etcd, mariadb]) await part.start(this.#stack);
    await Promise.all(this.#namesIn(zone).map((name) => this.start(name)));
  }

  /** What a zone has of etcd and of Kafka goes on without the majorities that are lost. */
  async forceQuorum(left: 'a' | 'b'): Promise<void> {
    await this.#quorum.forceEtcd(left);
    await this.#quorum.forceKafka(left);
  }

  /** The witness with a new disk. */
  async replaceWitness(): Promise<void> {
    await this.killAll('witness');
    await this.join('witness');
    await this.#quorum.replaceWitness('a');
  }

  get #quorum(): ForcedQuorum {
    const [stop, kill] = [this.stop.bind(this), this.kill.bind(this)];
    return new ForcedQuorum({ stack: this.#stack, stop, kill });
  }

  /** Drops a share of the packets between the zones and the witness. */
  async losePackets(share: number): Promise<void> {
    const network = this.#zoned;
    await network.lose(share);
    this.#inForce.set(`loss ${share}`, () => network.endLoss(share));
  }

  async endLoss(share: number): Promise<void> {
    await this.#end(`loss ${share}`);
  }

  /** A new cluster, with nobody in it, on the same servers, whatever was done to them. */
  async startNew(): Promise<void> {
    await this.#endMembers();
    for (const fault of this.#inForce.keys()) await this.#end(fault);
    for (const name of this.#serverNames()) {
      await this.thaw(name).catch(() => undefined);
      await this.start(name);
    }
    await this.#keepLogs();
    await rm(dataFolder, { recursive: true, force: true });
    this.#environments.clear();
    const identity = await identityOfCluster();
    this.#name = identity.name;
    await makeDatabase(identity, this.#zones, this.#stack.places);
    await Promise.all(members.map(({ name }) => this.start(name)));
    await this.ready();
    this.#admin?.[Symbol.dispose]();
    this.#admin = new AdminClient({ address: this.addressesOf('gateway'), adminKey: identity.adminKey });
  }

  /** A second database on the same server, as a store for ranges. */
  async addStore(id: string): Promise<void> {
    const identity = await identityOfCluster();
    await makeDatabase(identity, this.#zones, this.#stack.places, `_${id}`);
    await this.changeStore(
      id,
      StoreChangeKind.ADD,
      furtherStoreAddress(identity, this.#zones, this.#stack.places, `_${id}`),
    );
  }

  /** Resolves when the coordinator has done it. @throws Error if it was refused, or takes half a minute */
  async changeStore(store: string, kind: StoreChangeKind, address = ''): Promise<void> {
    await this.admin.cluster.changeStore({ store, kind, address });
    const endMs = performance.now() + changeMsMax;
    for (;;) {
      const found = (await this.admin.cluster.listStores({})).stores.find(({ id }) => id === store);
      const { step, problem } = found?.change ?? {};
      if (step === 'done') return;
      if (step === 'refused' || performance.now() > endMs) throw new Error(`store ${store}: ${step}, ${problem}`);
      await pause(pollMs);
    }
  }

  /** Starts what does not run. */
  async start(name: string): Promise<void> {
    const server = servers[name as Server];
    if (server !== undefined) return server.part.start(this.#stack);
    const member = memberOf(name);
    await startServer(dataFolder, {
      name,
      command: process.execPath,
      args: serviceArguments(member.service),
      environment: {
        ...environmentOf(member, await identityOfCluster(), this.#zones, this.#stack.places),
        ...this.#environments.get(name),
      },
      ...this.#placeOf(name),
      ports: [adminPortOf(member)],
      user: { uid: 0, gid: firstGroup + members.indexOf(member) },
    });
  }

  /** Starts it anew with something added to its environment; absent: as it should be. */
  async restartWith(name: string, environment?: Readonly<Record<string, string>>): Promise<void> {
    await this.stop(name);
    if (environment === undefined) this.#environments.delete(name);
    else this.#environments.set(name, environment);
    await this.start(name);
  }

  /** SIGKILL; resolves when it is gone, and its ports are free. */
  async kill(name: string): Promise<void> {
    await stopServer(this.#folderOf(name), name, 'SIGKILL');
    // Its first thread has ended; the last of them closes what it listened on.
    const port = servers[name as Server]?.port ?? adminPortOf(memberOf(name));
    while (await accepts(port, this.#placeOf(name).host)) await pause(pollMs);
  }

  /** SIGTERM; resolves when it is gone. */
  async stop(name: string): Promise<void> {
    await stopServer(this.#folderOf(name), name);
  }

  async freeze(name: string): Promise<void> {
    await signalServer(this.#folderOf(name), name, 'SIGSTOP');
  }

  async thaw(name: string): Promise<void> {
    await signalServer(this.#folderOf(name), name, 'SIGCONT');
  }

  /** Stops a server for as long as its files are copied. */
  async backUp(server: Server): Promise<void> {
    await this.stop(server);
    const [folder, copy] = this.#filesOf(server);
    await rm(copy, { recursive: true, force: true });
    await runCommand('cp', ['-a', folder, copy]);
    await this.start(server);
  }

  /** Kills a server and starts it with the files of its backup. */
  async restore(server: Server): Promise<void> {
    await this.kill(server);
    const [folder, copy] = this.#filesOf(server);
    await rm(folder, { recursive: true });
    await runCommand('mv', [copy, folder]);
    await this.start(server);
  }

  #filesOf(server: Server): [folder: string, copy: string] {
    const folder = `${this.#stack.dataFolder}/${server}`;
    return [folder, `${folder}.backup`];
  }

  /** Why processes are not ready. */
  async problems(): Promise<string[]> {
    return (await Promise.all(members.map((member) => this.#problemsOf(member)))).flat();
  }

  async isRunning(name: string): Promise<boolean> {
    return (await serversOf(this.#folderOf(name))).some((server) => server.name === name && server.running);
  }

  /** Moves a server's files to a disk that can be filled; the server is stopped meanwhile. */
  async moveToSmallDisk(server: Server, spareBytes: number, holes: 'kept' | 'filled'): Promise<SmallDisk> {
    await this.stop(server);
    const disk = await moveToSmallDisk(this.#filesOf(server)[0], spareBytes, holes);
    await this.start(server);
    this.#inForce.set(`disk of ${server}`, () => disk.empty());
    const remove = async (): Promise<void> => {
      await this.stop(server);
      this.#inForce.delete(`disk of ${server}`);
      await disk.remove();
      await this.start(server);
    };
    return { ...disk, remove };
  }

  /** Holds a process to a share of one processor. */
  async limitCpu(name: string, share: number): Promise<void> {
    const limit = await limitCpu(await this.#pidOf(name), share);
    this.#inForce.set(`limit ${name}`, async () => limit[Symbol.asyncDispose]());
  }

  async endLimit(name: string): Promise<void> {
    await this.#end(`limit ${name}`);
  }

  /** Resident memory of every process of Chappe that runs, by name. */
  async residentBytes(): Promise<ReadonlyMap<string, number>> {
    const running = (await serversOf(dataFolder)).filter((server) => server.running);
    const sizes = await Promise.all(
      running.map(async ({ name, pid }): Promise<[string, number]> => {
        const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
        return [name, Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024];
      }),
    );
    return new Map(sizes);
  }

  /** What the processes have logged since a time of the system's clock, in order. */
  async said(sinceMs: number): Promise<readonly LogLine[]> {
    const paths = members.map(({ name }) => ({ name, path: logPath(dataFolder, name) }));
    const lines = await Promise.all(paths.map(({ name, path }) => readLog(name, path)));
    return lines
      .flat()
      .filter(({ timeMs }) => timeMs >= sinceMs)
      .toSorted((a, b) => a.timeMs - b.timeMs);
  }

  async isFrozen(name: string): Promise<boolean> {
    const pid = await this.#pidOf(name);
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  }

  /** Drops what a process sends to a server. */
  async cut(name: string, server: Server): Promise<void> {
    const group = String(firstGroup + members.indexOf(memberOf(name)));
    const packets = ['--dport', String(servers[server].port), '-m', 'owner', '--gid-owner', group];
    await this.#filter(`cut ${name} ${server}`, name, ['OUTPUT', '-p', 'tcp', ...packets, '-j', 'DROP']);
  }

  async mend(name: string, server: Server): Promise<void> {
    await this.#end(`cut ${name} ${server}`);
  }

  /** Whoever talks to a process finds the connection reset, and gets no other one. */
  async reset(name: string): Promise<void> {
    const packets = ['--dport', String(memberOf(name).port)];
    const rule = ['INPUT', '-p', 'tcp', ...packets, '-j', 'REJECT', '--reject-with', 'tcp-reset'];
    await this.#filter(`reset ${name}`, name, rule);
  }

  async endReset(name: string): Promise<void> {
    await this.#end(`reset ${name}`);
  }

  /** Where a process is. */
  async #filter(fault: string, name: string, rule: readonly string[]): Promise<void> {
    const filter = async (verb: '-A' | '-D'): Promise<void> => {
      const [command = '', ...args] = [...this.#placeOf(name).enter, 'iptables', '-w', verb, ...rule];
      await runCommand(command, args);
    };
    await filter('-A');
    this.#inForce.set(fault, () => filter('-D'));
  }

  async #end(fault: string): Promise<void> {
    const end = this.#inForce.get(fault);
    this.#inForce.delete(fault);
    await end?.();
  }

  async ranges(): Promise<readonly RangeStatus[]> {
    return (await this.admin.cluster.listRanges({})).ranges;
  }

  /** The coordinator that leads: the last that said so. */
  async leader(): Promise<string> {
    const line = (await this.said(0)).findLast(({ msg }) => msg === 'leads');
    if (line === undefined) throw new Error('no coordinator leads');
    return line.process;
  }

  /** Takes a topic away behind the cluster's back, as an operator's mistake does. */
  async deleteTopic(topic: string): Promise<void> {
    const broker = `${this.#placeOf('kafka-1').host}:${servers['kafka-1'].port}`;
    const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [`${this.#name}.${topic}`] });
    await admin.disconnect();
  }

  /**
   * The sum of a counter over all processes that answer.
   *
   * @param without series that are left out, as they are written
   */
  async count(metric: string, without?: string): Promise<number> {
    return metricSum(await Promise.all(members.map(({ name }) => this.metricsOf(name))), metric, without);
  }

  /** The page of a process; empty if it does not answer. */
  metricsOf(name: string): Promise<string> {
    return this.#pageOf(memberOf(name), 'metrics').catch(() => '');
  }

  /**
   * Resolves when every process says that it is ready.
   *
   * @param onSlow told once, when that takes long: who is not, and why
   * @throws Error with who is not, and why
   */
  async ready(onSlow: (problems: readonly string[]) => void = () => undefined): Promise<void> {
    const startedMs = performance.now();
    let isSlow = false;
    for (;;) {
      const problems = await this.problems();
      if (problems.length === 0) return;
      const waitedMs = performance.now() - startedMs;
      if (waitedMs > readyMsMax) throw new Error(`not ready: ${problems.join('; ')}`);
      if (waitedMs > readyMsUsual && !isSlow) onSlow(problems);
      isSlow = waitedMs > readyMsUsual;
      await pause(pollMs);
    }
  }

  async #problemsOf(member: Member): Promise<string[]> {
    try {
      const { problems } = JSON.parse(await this.#pageOf(member, 'readyz')) as { problems: Record<string, string> };
      return Object.entries(problems).map(([part, problem]) => `${member.name}: ${part}: ${problem}`);
    } catch {
      return [`${member.name} does not answer`];
    }
  }

  async #pageOf(member: Member, path: string): Promise<string> {
    const url = `http://${this.#placeOf(member.name).host}:${adminPortOf(member)}/${path}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    return answer.text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#standIn?.[Symbol.asyncDispose]();
    this.#admin?.[Symbol.dispose]();
    await this.#endAll();
  }

  async #endAll(): Promise<void> {
    await this.#endMembers();
    const running = await serversOf(this.#stack.dataFolder);
    await Promise.all(running.map(({ name }) => stopServer(this.#stack.dataFolder, name, 'SIGKILL')));
  }

  async #endMembers(): Promise<void> {
    const running = await serversOf(dataFolder);
    await Promise.all(running.map(({ name }) => stopServer(dataFolder, name, 'SIGKILL')));
  }

  /** Of the former cluster: somebody may want to know what it said. */
  async #keepLogs(): Promise<void> {
    if (this.#name === '') return;
    await mkdir(this.#logsFolder, { recursive: true });
    await rename(`${dataFolder}/log`, `${this.#logsFolder}/${this.#name}`);
  }

  get #logsFolder(): string {
    return `${this.#stack.dataFolder}/logs`;
  }

  #serverNames(): Server[] {
    return (Object.keys(servers) as Server[]).filter((name) => servers[name].zones.includes(this.#zones));
  }

  async #pidOf(name: string): Promise<number> {
    const found = (await serversOf(this.#folderOf(name))).find((server) => server.name === name && server.running);
    if (found === undefined) throw new Error(`${name} does not run`);
    return found.pid;
  }

  #folderOf(name: string): string {
    return name in servers ? this.#stack.dataFolder : dataFolder;
  }
}

function memberOf(name: string): Member {
  const member = members.find((candidate) => candidate.name === name);
  if (member === undefined) throw new Error(`there is no process ${name}`);
  return member;
}
