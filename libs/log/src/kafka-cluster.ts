/**
 * The brokers of a cluster: where they are, which of them leads a topic, and shared connections to them.
 *
 * What is known of leaders is a cache: `atLeader` drops it and asks again when a broker says that it
 * is not the leader, and when the broker cannot be reached. Answers that decide something are taken from
 * `atConfirmedLeader`, which looks afterwards whether it still leads.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ConnectionError, nameOf, openConnection } from './kafka-connection.ts';
import type { BrokerAddress, KafkaAccess, KafkaConnection } from './kafka-connection.ts';
import { asLogError, codes, ElsewhereError } from './kafka-error.ts';
import { chooseLeader } from './kafka-leader.ts';
import { hedgeMs, leaderAttempts, leaderPauseMs, metadataTimeoutMs, secondOpinionMs } from './kafka-limits.ts';
import { metadataRequest } from './kafka-protocol.ts';
import type { KafkaMetadata, KafkaRequest } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';

/** Appends wait for replicas, changes for the controller; questions must not wait behind them. */
type Purpose = 'append' | 'ask' | 'change';

/** Who leads a topic, since which leader epoch. */
export interface LeaderAddress extends BrokerAddress {
  readonly epoch: number;
}

export class KafkaCluster {
  readonly #access: KafkaAccess;
  readonly #seeds: readonly BrokerAddress[];
  readonly #connections = new Map<string, Promise<KafkaConnection>>();
  readonly #leaders = new Map<string, LeaderAddress>();
  /** Brokers that did not answer when they were last asked: a zone that is lost would hold up every question. */
  readonly #silent = new Set<string>();
  #brokers = new Map<number, BrokerAddress>();
  #closed = false;

  constructor(seeds: readonly BrokerAddress[], access: KafkaAccess) {
    this.#seeds = seeds;
    this.#access = access;
  }

  /** The live brokers by node id, as of the last metadata. */
  get brokers(): ReadonlyMap<number, BrokerAddress> {
    return this.#brokers;
  }

  /** A connection of its own, for whoever waits long; the caller closes it. */
  open(address: BrokerAddress): Promise<KafkaConnection> {
    if (this.#closed) return Promise.reject(closedError());
    return openConnection(address, this.#access);
  }

  /**
   * The shared connection to a broker, opened if need be.
   *
   * @throws ConnectionError whoever comes while it is being opened fails with it, and does not begin anew
   */
  async connection(address: BrokerAddress, purpose: Purpose): Promise<KafkaConnection> {
    if (this.#closed) throw closedError();
    const key = `${purpose} ${nameOf(address)}`;
    const known = this.#connections.get(key);
    const connection = await known;
    if (connection?.isOpen) return connection;

    // Another caller may have begun to open it meanwhile.
    const begun = this.#connections.get(key);
    if (begun !== undefined && begun !== known) return begun;
    const opening = openConnection(address, this.#access);
    this.#connections.set(key, opening);
    opening.catch(() => this.#connections.get(key) === opening && this.#connections.delete(key));
    const opened = await opening;
    if (this.#closed) opened.close('the log is closed');
    return opened;
  }

  /**
   * Asks one broker after the other until one answers.
   *
   * @throws LogError `unavailable` if none does.
   */
  askAny<T>(request: KafkaRequest<T>): Promise<T> {
    return this.#atAny((address) => this.#ask(address, request));
  }

  /** The same for what a broker passes on to the controller, and answers late while there is none. */
  changeByAny<T>(request: KafkaRequest<T>): Promise<T> {
    return this.#atAny(async (address) => (await this.connection(address, 'change')).send(request));
  }

  async #atAny<T>(ask: (address: BrokerAddress) => Promise<T>): Promise<T> {
    let failure: unknown;
    for (const address of this.#candidates()) {
      try {
        return await ask(address);
      } catch (error) {
        if (!(error instanceof ConnectionError) || this.#closed) throw asLogError(error);
        failure = error;
      }
    }
    throw asLogError(failure);
  }

  async #ask<T>(address: BrokerAddress, request: KafkaRequest<T>, timeoutMs?: number): Promise<T> {
    const name = nameOf(address);
    try {
      const answer = await (await this.connection(address, 'ask')).send(request, timeoutMs);
      this.#silent.delete(name);
      return answer;
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#silent.add(name);
      for (const [topic, leader] of this.#leaders) if (nameOf(leader) === name) this.#leaders.delete(topic);
      throw error;
    }
  }

  async metadata(topics: readonly string[]): Promise<KafkaMetadata> {
    const metadata = await this.#soonest(metadataRequest(topics));
    if (metadata.brokers.length > 0) {
      this.#brokers = new Map(metadata.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    }
    return metadata;
  }

  /** Whoever does not answer soon is not waited for alone: in a lost zone are several who never will. */
  async #soonest<T>(request: KafkaRequest<T>): Promise<T> {
    const answers: Promise<T>[] = [];
    for (const address of this.#candidates()) {
      answers.push(this.#ask(address, request, metadataTimeoutMs));
      const outcome = await soon(Promise.any(answers), hedgeMs);
      if (outcome === 'answered') break;
      if (outcome === 'open') this.#silent.add(nameOf(address));
    }
    try {
      return await Promise.any(answers);
    } catch (error) {
      throw asLogError(error instanceof AggregateError ? error.errors.at(-1) : error);
    }
  }

  /** @throws LogError `no_topic`; `invalid` if it has several partitions; `ElsewhereError` while a leader is elected. */
  async leaderOf(topic: string): Promise<LeaderAddress> {
    const known = this.#leaders.get(topic);
    if (known !== undefined) return known;
    const { nodeId, epoch } = chooseLeader(topic, await this.#opinions(topic));
    const address = this.#brokers.get(nodeId);
    if (address === undefined) throw new ElsewhereError(topic, codes.leaderNotAvailable);
    const leader = { ...address, epoch };
    this.#leaders.set(topic, leader);
    return leader;
  }

  /** What the brokers know of a topic: one of them for certain, the others if they answer soon. */
  async #opinions(topic: string): Promise<KafkaMetadata[]> {
    const first = await this.metadata([topic]);
    if (first.brokers.length < 2) return [first];
    const others = await Promise.all(
      first.brokers.map(async (broker) => {
        const opinion = this.#opinionOf(topic, broker);
        return (await soon(opinion, secondOpinionMs)) === 'answered' ? opinion : undefined;
      }),
    );
    return [first, ...others.filter((opinion) => opinion !== undefined)];
  }

  /** Undefined if the broker cannot be asked. */
  #opinionOf(topic: string, broker: BrokerAddress): Promise<KafkaMetadata | undefined> {
    return this.#ask(broker, metadataRequest([topic]), metadataTimeoutMs).catch(() => undefined);
  }

  forgetLeader(topic: string): void {
    this.#leaders.delete(topic);
  }

  /**
   * Does something that may be repeated at a topic's leader, looking for the leader again a few times.
   *
   * @throws LogError of any kind; `unavailable` if no leader could be asked.
   */
  async atLeader<T>(
    topic: string,
    work: (connection: KafkaConnection, leader: LeaderAddress) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const leader = await this.leaderOf(topic);
        return await work(await this.connection(leader, 'ask'), leader);
      } catch (error) {
        const isTransient = error instanceof ConnectionError || error instanceof ElsewhereError;
        this.forgetLeader(topic);
        if (!isTransient || attempt === leaderAttempts || this.#closed) throw asLogError(error);
        await pause(leaderPauseMs);
      }
    }
  }

  /** As `atLeader`, but the answer counts only if the brokers say afterwards that the leader was one. */
  atConfirmedLeader<T>(
    topic: string,
    work: (connection: KafkaConnection, leader: LeaderAddress) => Promise<T>,
  ): Promise<T> {
    return this.atLeader(topic, async (connection, leader) => {
      const answer = await work(connection, leader);
      this.forgetLeader(topic);
      if (nameOf(await this.leaderOf(topic)) !== nameOf(leader)) throw new ElsewhereError(topic, codes.notLeader);
      return answer;
    });
  }

  /** What a live broker itself knows of a topic; `unknown` also if it cannot be asked. */
  async knowledgeOf(topic: string, broker: BrokerAddress): Promise<'led' | 'missing' | 'unknown'> {
    const opinion = await this.#opinionOf(topic, broker);
    if (opinion === undefined) return 'unknown';
    const [found] = opinion.topicMetadata;
    if (found === undefined || found.topicErrorCode === codes.unknownTopic) return 'missing';
    const isLed = found.topicErrorCode === codes.none && (found.partitionMetadata[0]?.leader ?? -1) >= 0;
    return isLed ? 'led' : 'unknown';
  }

  close(): void {
    this.#closed = true;
    for (const opening of this.#connections.values()) {
      opening.then(
        (connection) => connection.close('the log is closed'),
        () => undefined,
      );
    }
    this.#connections.clear();
  }

  /** Known brokers first, then the addresses that were configured; those that did not answer last. */
  #candidates(): BrokerAddress[] {
    const all = new Map([...this.#brokers.values(), ...this.#seeds].map((address) => [nameOf(address), address]));
    const { answering = [], silent = [] } = Object.groupBy(all, ([name]) =>
      this.#silent.has(name) ? 'silent' : 'answering',
    );
    return [...answering, ...silent].map(([, address]) => address);
  }
}

/** @throws LogError `invalid`. */
export function parseBrokers(brokers: readonly string[]): BrokerAddress[] {
  if (brokers.length === 0) throw new LogError('invalid', 'the address of at least one broker is needed');
  return brokers.map((broker) => {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(broker);
    if (match === null) throw new LogError('invalid', `${broker} is not host:port`);
    return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
  });
}

/** What has become of it after so long. */
async function soon(answer: Promise<unknown>, ms: number): Promise<'answered' | 'failed' | 'open'> {
  const patience = new AbortController();
  const outcome = answer.then(
    () => 'answered' as const,
    () => 'failed' as const,
  );
  const open = pause(ms, 'open' as const, { signal: patience.signal }).catch(() => 'open' as const);
  try {
    return await Promise.race([outcome, open]);
  } finally {
    patience.abort();
  }
}

function closedError(): LogError {
  return new LogError('unavailable', 'the log is closed');
}
