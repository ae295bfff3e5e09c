/**
 * The cluster that faults are done to: the processes of the local cluster on servers of its own, in
 * the run's namespace. Everything here names a process as the layout does (`sender-a1`), or a server
 * of the stack (`kafka-1`, `etcd-a`, `mariadb-a`).
 */
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { AdminClient } from '@chappe/client/admin-client';
import type { Range as RangeStatus } from '@chappe/proto/v1/cluster_service';
import { environmentOf, identityOfCluster, makeDatabase } from '../cluster/environment.ts';
import { addressesOf, adminPortOf, dataFolder, members } from '../cluster/layout.ts';
import type { Member } from '../cluster/layout.ts';
import { serviceArguments } from '../cluster/node-settings.ts';
import { etcd } from '../stack/etcd.ts';
import { Kafka, logLevel } from 'kafkajs';
import { kafka } from '../stack/kafka.ts';
import { mariadb } from '../stack/mariadb.ts';
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
import type { StackContext, StackPart } from '../stack/stack-context.ts';
import { limitCpu } from './cpu-quota.ts';
import { readLog } from './process-log.ts';
import type { LogLine } from './process-log.ts';
import { moveToSmallDisk } from './small-disk.ts';
import type { SmallDisk } from './small-disk.ts';

/** The first of each kind is there in a stack of one zone as well. */
export type Server = 'kafka-1' | 'kafka-2' | 'kafka-3' | 'kafka-4' | 'etcd-a' | 'mariadb-a';

interface ServerPlace {
  readonly part: StackPart;
  /** That clients use. */
  readonly port: number;
  readonly zones: readonly (1 | 2)[];
}

const servers: Readonly<Record<Server, ServerPlace>> = {
  'kafka-1': { part: kafka, port: 19_092, zones: [1, 2] },
  'kafka-2': { part: kafka, port: 19_093, zones: [2] },
  'kafka-3': { part: kafka, port: 19_094, zones: [2] },
  'kafka-4': { part: kafka, port: 19_095, zones: [2] },
  'etcd-a': { part: etcd, port: 12_379, zones: [1, 2] },
  'mariadb-a': { part: mariadb, port: 13_306, zones: [1, 2] },
};

/** Of the first process; filters tell processes apart by their group. */
const firstGroup = 20_001;
const readyMsMax = 120_000;
const readyMsUsual = 15_000;
const pollMs = 100;

export class FaultCluster implements AsyncDisposable {
  readonly #stack: StackContext;
  readonly #zones: 1 | 2;
  /** Over the usual environment, of processes that break a rule on purpose. */
  readonly #environments = new Map<string, Readonly<Record<string, string>>>();
  /** What is done to the cluster now, by name: how each of it ends. */
  readonly #inForce = new Map<string, () => Promise<void>>();
  #admin: AdminClient | undefined;
  #name = '';

  /** @param folder of the servers; what an earlier run left there is ended and removed */
  constructor(folder: string, zones: 1 | 2) {
    this.#zones = zones;
    this.#stack = { ...stackContext(zones, () => undefined), dataFolder: folder };
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
    await makeDatabase(identity, this.#zones);
    await Promise.all(members.map(({ name }) => this.start(name)));
    await this.ready();
    this.#admin?.[Symbol.dispose]();
    this.#admin = new AdminClient({ address: addressesOf('gateway'), adminKey: identity.adminKey });
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
        ...environmentOf(member, await identityOfCluster(), this.#zones),
        ...this.#environments.get(name),
      },
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
    while (await accepts(port)) await pause(pollMs);
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
    return (await Promise.all(members.map(problemsOf))).flat();
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
    await this.#filter(`cut ${name} ${server}`, [...packets, '-j', 'DROP']);
  }

  async mend(name: string, server: Server): Promise<void> {
    await this.#end(`cut ${name} ${server}`);
  }

  /** Whoever talks to a process finds the connection reset, and gets no other one. */
  async reset(name: string): Promise<void> {
    const packets = ['--dport', String(memberOf(name).port)];
    await this.#filter(`reset ${name}`, [...packets, '-j', 'REJECT', '--reject-with', 'tcp-reset']);
  }

  async endReset(name: string): Promise<void> {
    await this.#end(`reset ${name}`);
  }

  async #filter(fault: string, rule: readonly string[]): Promise<void> {
    const filter = async (verb: '-A' | '-D'): Promise<void> => {
      await runCommand('iptables', ['-w', verb, 'OUTPUT', '-o', 'lo', '-p', 'tcp', ...rule]);
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
    const client = new Kafka({ brokers: ['127.0.0.1:19092'], logLevel: logLevel.NOTHING });
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
    const pages = await Promise.all(members.map((member) => pageOf(member, 'metrics').catch(() => '')));
    const lines = pages
      .flatMap((page) => page.split('\n'))
      .filter((line) => line.startsWith(metric) && (without === undefined || !line.startsWith(without)));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
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

  async [Symbol.asyncDispose](): Promise<void> {
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

async function problemsOf(member: Member): Promise<string[]> {
  try {
    const { problems } = JSON.parse(await pageOf(member, 'readyz')) as { problems: Record<string, string> };
    return Object.entries(problems).map(([part, problem]) => `${member.name}: ${part}: ${problem}`);
  } catch {
    return [`${member.name} does not answer`];
  }
}

async function pageOf(member: Member, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${adminPortOf(member)}/${path}`, { signal: AbortSignal.timeout(2_000) });
  return answer.text();
}
