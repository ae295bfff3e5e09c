/**
 * One seed: a cluster in this process, load, faults, and the promises held against what was seen after every step.
 * Then everything is healed, and what was accepted must come to its end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import type { Reshape } from '@chappe/ranges/reshape';
import { formatStore, storePrefix, type StoreInfo } from '@chappe/ranges/store-info';
import { migrate } from '@chappe/store/migrate';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { CounterCrypto } from './counter-crypto.ts';
import { Faults, noFaults, type Fault } from './faults.ts';
import { handsetProgram, HandsetState } from './handset.ts';
import { Load } from './load.ts';
import { Machine, type Program } from './machine.ts';
import { CoordinationServer } from './network-coordination.ts';
import { StoreServer } from './network-store.ts';
import { Network } from './network.ts';
import { resetChance } from './patch-time.ts';
import { devices, laneCount } from './people.ts';
import { Operator } from './operator.ts';
import { decisionsOf, loadMs, planOf, type Plan, type PlannedFault, type PlannedKind, type Wish } from './plan.ts';
import { consumerProgram, coordinatorProgram, eventTables, gatewayProgram } from './programs.ts';
import { Promises } from './promises.ts';
import { relayProgram } from './relay-program.ts';
import { settlingLog } from './settling-log.ts';
import { shardProgram } from './shard-program.ts';
import type { Broken, Site } from './site.ts';
import { Trace } from './trace.ts';
import { Life, VirtualTime } from './virtual-time.ts';

export interface Settings {
  readonly seed: number;
  /** The faults that may happen, by name. Absent: all that the seed has. */
  readonly only?: ReadonlySet<string>;
  readonly broken?: Broken;
}

export interface Result {
  readonly seed: number;
  /** Empty: every promise was kept. */
  readonly problems: readonly string[];
  /** What was done to the cluster, in order. */
  readonly faults: readonly Fault[];
  readonly trace: readonly string[];
  readonly steps: number;
  readonly virtualMs: number;
  readonly messages: number;
  readonly shown: number;
}

const serverNames = ['coordination', 'log', 'store', 'second-store', 'events', 'crypto', 'keys'];
const shardNames = ['s1', 's2', 's3'];

const second: StoreInfo = { id: 'second', address: 'sqlite:second', identity: 'second', incarnation: 1 };

const setUpMs = 30_000;
/** After everything is healed: time-outs, leases, back-offs, and a lock that a client holds who has gone. */
const drainMs = 90_000;
const closeMs = 60_000;

export async function simulate({ seed, only, broken = {} }: Settings): Promise<Result> {
  const folder = mkdtempSync(join(await memoryFolder(), 'chappe-simulation-'));
  resetChance(seed);
  const time = new VirtualTime();
  const trace = new Trace(time);
  const faults = new Faults(seed, only, () => time.nowMs);
  const promises = new Promises();
  const network = new Network(time, faults, noFaults);
  const run = new Run(await openSite(folder, network, trace, promises, broken, decisionsOf(seed)), promises, seed);
  const rejected = (error: Error): void =>
    promises.note(`ALARM: a promise was rejected and nobody heard: ${error.stack ?? ''}`);
  process.on('unhandledRejection', rejected);
  try {
    await run.all();
    return {
      seed,
      problems: run.problems,
      faults: faults.happened,
      trace: trace.lines,
      steps: time.steps,
      virtualMs: time.nowMs,
      messages: promises.record.submitted,
      shown: promises.record.shown,
    };
  } finally {
    await run.close();
    process.off('unhandledRejection', rejected);
    rmSync(folder, { recursive: true });
  }
}

/** Where files cost no disk, if there is such a place. */
async function memoryFolder(): Promise<string> {
  return access('/dev/shm').then(
    () => '/dev/shm',
    () => tmpdir(),
  );
}

async function openSite(
  folder: string,
  network: Network,
  trace: Trace,
  promises: Promises,
  broken: Broken,
  decisions: Site['decisions'],
): Promise<Site> {
  const { time } = network;
  const coordination = await openEmbeddedCoordination({ now: () => time.nowMs });
  const log = await openSqliteLog({ path: join(folder, 'log.sqlite'), now: () => VirtualTime.startMs + time.nowMs });
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const secondStore = await openSqliteStore({ path: join(folder, 'second-store.sqlite') });
  const events = await openSqliteStore({ path: join(folder, 'events.sqlite') });
  return {
    network,
    trace,
    coordination: new CoordinationServer(new Life('coordination', 1), coordination),
    log: { life: new Life('log', 1), log: settlingLog(log, network.faults) },
    store: new StoreServer(new Life('store', 1), store, (client, statements) =>
      promises.senderCommitted(client, statements),
    ),
    secondStore: new StoreServer(new Life('second-store', 1), secondStore, (client, statements) =>
      promises.senderCommitted(client, statements),
    ),
    events: new StoreServer(new Life('events', 1), events, (_client, statements) =>
      promises.eventsCommitted(statements),
    ),
    crypto: { life: new Life('crypto', 1), service: new CounterCrypto() },
    keys: new Life('keys', 1),
    shards: new Map(),
    relays: new Map(),
    gateways: new Map(),
    alarms: [],
    decisions,
    broken,
  };
}

class Run {
  readonly #site: Site;
  readonly #promises: Promises;
  readonly #seed: number;
  readonly #life = new Life('operator', 1);
  readonly #business = new Life('business', 1);
  readonly #machines: readonly Machine[];
  readonly #handsets: readonly Machine[];
  readonly #load: Load;
  readonly #operator: Operator;
  #unfinished: readonly Reshape[] = [];
  problems: readonly string[] = [];

  constructor(site: Site, promises: Promises, seed: number) {
    this.#site = site;
    this.#promises = promises;
    this.#seed = seed;
    this.#load = new Load(site, this.#business, promises);
    const machine = (name: string, program: Program): Machine => new Machine(name, this.#time, site.trace, program);
    this.#machines = [
      ...['c1', 'c2'].map((name) => machine(name, coordinatorProgram(site))),
      ...shardNames.map((name, index) => machine(name, shardProgram(site, index < 2 ? 'a' : 'b'))),
      ...['q1', 'q2'].map((name) => machine(name, relayProgram(site))),
      ...['g1', 'g2'].map((name) => machine(name, gatewayProgram(site))),
      ...['e1', 'e2'].map((name) => machine(name, consumerProgram(site))),
    ];
    const isForgetful = site.broken.rule === 'repeats_let_through';
    this.#handsets = devices.map((device) => {
      const options = { device, promises, isForgetful, state: new HandsetState() };
      return machine(`h${device.place}`, handsetProgram(site, options));
    });
    this.#operator = new Operator(site, this.#life, (kind, target, lastsMs) => this.#strike(kind, target, '', lastsMs));
  }

  get #time(): VirtualTime {
    return this.#site.network.time;
  }

  async all(): Promise<void> {
    const { network } = this.#site;
    await this.#setUp();
    const plan = planOf(this.#seed, {
      machines: [...this.#machines, ...this.#handsets].map(({ name }) => name),
      servers: serverNames,
      shards: shardNames,
      lanes: laneCount,
    });
    const startMs = this.#time.nowMs;
    network.rates = plan.rates;
    this.#startLoad(plan, startMs);
    for (const fault of plan.faults) this.#time.after(fault.atMs, this.#life, () => this.#inject(fault));
    for (const wish of plan.wishes) this.#time.after(wish.atMs, this.#life, () => this.#wish(wish));
    await this.#runUntil(startMs + loadMs, () => false);
    this.#healAll();
    this.#lookForUnfinished();
    const isDone = (): boolean =>
      this.#load.isDone && this.#promises.record.isSettled() && this.#unfinished.length === 0;
    await this.#runUntil(this.#time.nowMs + drainMs, isDone);
    for (const { id, step } of this.#unfinished) this.#promises.note(`RESHAPE: ${id} is still ${step}`);
    this.problems = this.problems.length > 0 ? this.problems : this.#promises.brokenAtEnd();
  }

  /** Now and then: each has to come to its end by itself. */
  #lookForUnfinished(): void {
    void this.#operator.unfinished().then((found) => {
      this.#unfinished = found;
      this.#time.after(200, this.#life, () => this.#lookForUnfinished());
    });
  }

  /** Nothing of the run is left: no life, no transaction, no file. */
  async close(): Promise<void> {
    for (const machine of [...this.#machines, ...this.#handsets]) machine.crash();
    this.#business.end();
    const { coordination, log, store, secondStore, events } = this.#site;
    for (const { life } of [coordination, log, store, secondStore, events]) this.#time.wake(life);
    let isClosed = false;
    this.#time.after(closeMs / 2, this.#life, () => {
      void Promise.all(
        [coordination.coordination, log.log, store.store, secondStore.store, events.store].map((one) =>
          one[Symbol.asyncDispose](),
        ),
      ).then(() => (isClosed = true));
    });
    await this.#time.run(this.#time.nowMs + closeMs, () => isClosed);
  }

  /** Tables, processes, people. */
  async #setUp(): Promise<void> {
    const { coordination, store, secondStore, events, trace } = this.#site;
    let isMigrated = false;
    this.#time.after(0, store.life, () => {
      const directory = new URL('../../services/sender/migrations', import.meta.url);
      void Promise.all([
        migrate(store.store, { service: 'sender', directory }),
        migrate(secondStore.store, { service: 'sender', directory }),
        coordination.coordination.transact(
          [],
          [{ kind: 'put', key: `${storePrefix}second`, value: formatStore(second) }],
        ),
        events.store.transaction(async (tx) => {
          for (const sql of eventTables) await tx.run(sql);
        }),
      ]).then(() => (isMigrated = true));
    });
    await this.#runUntil(setUpMs, () => isMigrated);
    for (const machine of [...this.#machines, ...this.#handsets]) machine.start();
    this.#time.after(0, this.#business, () => void this.#load.register());
    await this.#runUntil(this.#time.nowMs + 10, () => false);
    await this.#runUntil(setUpMs, () => this.#load.isDone);
    if (!this.#load.isDone) throw new Error(`the cluster does not start:\n${trace.lines.join('\n')}`);
    trace.say('operator', 'the load begins');
  }

  #startLoad(plan: Plan, startMs: number): void {
    for (const [lane, bursts] of Map.groupBy(plan.bursts, (burst) => burst.lane))
      this.#time.after(0, this.#business, () => void this.#load.runLane(lane, bursts, startMs));
  }

  #inject({ name, kind, target, other, lastsMs }: PlannedFault): void {
    const { network, trace } = this.#site;
    if (!network.faults.take(name)) return;
    trace.say('FAULT', `${name}, for ${lastsMs} ms`);
    this.#strike(kind, target, other, lastsMs);
  }

  #wish(wish: Wish): void {
    if (this.#site.network.faults.take(wish.name)) void this.#operator.wish(wish);
  }

  #strike(kind: PlannedKind, target: string, other: string, lastsMs: number): void {
    const { network, trace } = this.#site;
    const machine = [...this.#machines, ...this.#handsets].find(({ name }) => name === target);
    const life = machine?.life ?? this.#serverNamed(target);
    const later = (act: () => void): void => void this.#time.after(lastsMs, this.#life, act);
    switch (kind) {
      case 'kill':
        machine?.crash();
        later(() => machine?.start());
        return;
      case 'stop':
        machine?.stop();
        later(() => machine?.start());
        return;
      case 'pause':
        trace.say(life?.label ?? target, 'stands still');
        life?.pause();
        later(() => life !== undefined && this.#time.wake(life));
        return;
      case 'cut':
        network.cut(target, other);
        later(() => network.heal(target, other));
    }
  }

  #serverNamed(name: string): Life | undefined {
    const { coordination, log, store, secondStore, events, crypto, keys } = this.#site;
    const servers = [coordination, log, store, secondStore, events, crypto].map(({ life }) => life);
    return [...servers, keys].find((life) => life.name === name);
  }

  #healAll(): void {
    const { network, trace } = this.#site;
    trace.say('operator', 'heals everything');
    network.rates = noFaults;
    network.healAll();
    for (const life of serverNames.map((name) => this.#serverNamed(name)))
      if (life !== undefined) this.#time.wake(life);
    for (const machine of [...this.#machines, ...this.#handsets]) {
      machine.wake();
      machine.start();
    }
  }

  /** Until a time, until it is done, or until a promise is broken. */
  async #runUntil(untilMs: number, isDone: () => boolean): Promise<void> {
    if (this.problems.length > 0) return;
    await this.#time.run(untilMs, () => this.#isBroken() || isDone());
  }

  #isBroken(): boolean {
    for (const alarm of this.#site.alarms.splice(0)) this.#promises.note(`ALARM: ${alarm}`);
    const broken = this.#promises.brokenNow();
    if (broken === undefined) return false;
    this.#site.trace.say('BROKEN', broken);
    this.problems = [broken];
    return true;
  }
}
