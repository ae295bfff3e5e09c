/**
 * Appends to Kafka: one produce request in flight to each broker, what came meanwhile goes with the next.
 *
 * A request carries one batch for each topic, and each topic's outcome is its own. Nothing whose
 * fate is unknown is sent again from here: it fails as `unavailable` and the caller repeats it. Only
 * what a broker said it did NOT write, because the topic is led elsewhere, is sent once more.
 */
import { byteLength, refuseRecords } from './check-records.ts';
import { encodeBatch } from './kafka-batch.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { nameOf } from './kafka-connection.ts';
import type { BrokerAddress } from './kafka-connection.ts';
import { asFailure, asLogError, codes, isElsewhere } from './kafka-error.ts';
import { batchBytesMax, leaderPauseMs, produceTimeoutMs } from './kafka-limits.ts';
import { produceRequest } from './kafka-protocol.ts';
import type { ProducedPartition } from './kafka-protocol.ts';
import { batchBytes } from './kafka-records.ts';
import { appendBytesMax, groupBytesMax, groupRecordsMax } from './limits.ts';
import { LogError } from './log-error.ts';
import type { Append, AppendResult, NewRecord } from './log.ts';

interface Entry {
  readonly topic: string;
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly resolve: (result: AppendResult) => void;
  isSecondTry: boolean;
}

/** What waits for one broker. */
interface Lane {
  readonly address: BrokerAddress;
  queue: Entry[];
  isSending: boolean;
}

/** Entries of one topic that go as one batch, in order. */
type Group = Map<string, { readonly entries: Entry[]; bytes: number }>;

export class KafkaAppender {
  readonly #cluster: KafkaCluster;
  readonly #lanes = new Map<string, Lane>();
  readonly #pending = new Set<Promise<unknown>>();
  #closed = false;

  constructor(cluster: KafkaCluster) {
    this.#cluster = cluster;
  }

  append(appends: readonly Append[]): Promise<AppendResult[]> {
    const results = Promise.all(appends.map((append) => this.#appendOne(append)));
    this.#pending.add(results);
    return results.finally(() => this.#pending.delete(results));
  }

  /** Takes nothing more, and resolves when all that was taken is answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#pending);
  }

  async #appendOne({ topic, records }: Append): Promise<AppendResult> {
    if (this.#closed) return failed(new LogError('unavailable', 'the log is closed'));
    const refusal = refuseRecords(records);
    if (refusal !== undefined) return failed(new LogError('invalid', refusal));
    if (batchBytes(records) > batchBytesMax) {
      return failed(
        new LogError('invalid', `keys, headers and values of an append have at most ${batchBytesMax} bytes`),
      );
    }
    return new Promise((resolve) => {
      void this.#enqueue({ topic, records, bytes: byteLength(records), resolve, isSecondTry: false });
    });
  }

  async #enqueue(entry: Entry): Promise<void> {
    let address: BrokerAddress;
    try {
      address = await this.#cluster.leaderOf(entry.topic);
    } catch (error) {
      entry.resolve(failed(asLogError(error)));
      return;
    }
    const lane = this.#lanes.get(nameOf(address)) ?? { address, queue: [], isSending: false };
    this.#lanes.set(nameOf(address), lane);
    lane.queue.push(entry);
    if (!lane.isSending) void this.#sendAll(lane);
  }

  async #sendAll(lane: Lane): Promise<void> {
    lane.isSending = true;
    // What else is handed over in this turn of the event loop goes with the first request.
    await new Promise(setImmediate);
    while (lane.queue.length > 0) await this.#send(lane.address, this.#nextGroup(lane));
    lane.isSending = false;
  }

  #nextGroup(lane: Lane): Group {
    const group: Group = new Map();
    const rest: Entry[] = [];
    let [records, bytes] = [0, 0];
    for (const entry of lane.queue) {
      const batch = group.get(entry.topic) ?? { entries: [], bytes: 0 };
      const fits =
        records === 0 ||
        (records + entry.records.length <= groupRecordsMax &&
          bytes + entry.bytes <= groupBytesMax &&
          (batch.entries.length === 0 || fitsInBatch(batch, entry)) &&
          // Entries of a topic stay in the order in which they were handed over.
          !rest.some(({ topic }) => topic === entry.topic));
      if (!fits) {
        rest.push(entry);
        continue;
      }
      batch.entries.push(entry);
      batch.bytes += entry.bytes;
      records += entry.records.length;
      bytes += entry.bytes;
      group.set(entry.topic, batch);
    }
    lane.queue = rest;
    return group;
  }

  async #send(address: BrokerAddress, group: Group): Promise<void> {
    const batches = [...group].map(([topic, { entries }]) => ({
      topic,
      batch: encodeBatch(entries.flatMap(({ records }) => records)),
    }));
    let answers: ReadonlyMap<string, ProducedPartition | undefined>;
    try {
      const connection = await this.#cluster.connection(address, 'append');
      answers = await connection.send(produceRequest(batches, produceTimeoutMs));
    } catch (error) {
      const failure = failed(asLogError(error));
      for (const [topic, { entries }] of group) {
        this.#cluster.forgetLeader(topic);
        for (const { resolve } of entries) resolve(failure);
      }
      return;
    }
    for (const [topic, { entries }] of group) this.#settle(topic, entries, answers.get(topic));
  }

  #settle(topic: string, entries: readonly Entry[], answer: ProducedPartition | undefined): void {
    if (answer?.errorCode !== codes.none) {
      this.#cluster.forgetLeader(topic);
      for (const entry of entries) this.#refuse(entry, answer?.errorCode);
      return;
    }
    let firstOffset = answer.baseOffset;
    const appendTimeMs = answer.logAppendTime;
    for (const { records, resolve } of entries) {
      resolve(
        appendTimeMs < 0
          ? failed(new LogError('unavailable', `${topic} is not set up to stamp append times`))
          : { kind: 'appended', firstOffset, appendTimeMs },
      );
      firstOffset += records.length;
    }
  }

  #refuse(entry: Entry, code: number | undefined): void {
    if (code === undefined || !isElsewhere(code) || entry.isSecondTry) {
      entry.resolve(failed(asFailure(entry.topic, code, 'appending to')));
      return;
    }
    entry.isSecondTry = true;
    setTimeout(() => void this.#enqueue(entry), leaderPauseMs);
  }
}

/** So that the batch is below the topic's limit however long keys and headers are: those of one append are in `batchBytesMax`. */
function fitsInBatch(batch: { readonly entries: readonly Entry[]; readonly bytes: number }, entry: Entry): boolean {
  if (batch.bytes + entry.bytes > appendBytesMax) return false;
  const sizes = [...batch.entries, entry].map(({ records }) => batchBytes(records));
  return sizes.reduce((sum, size) => sum + size, 0) <= batchBytesMax;
}

function failed(error: LogError): AppendResult {
  return { kind: 'failed', error };
}
