/**
 * What happened to each message of a job, and the figures that follow from it. Times are milliseconds on one clock,
 * with fractions. Pure: whoever observes says when.
 */

export interface MessageTimes {
  readonly contact: string;
  /** When it was handed over, or was due if there is a rate: waiting for one's turn is part of the latency. */
  readonly dueMs: number;
  readonly submittedMs: number;
  acceptedMs?: number;
  /** At the other side: the message centre, or the handset that shows it. */
  deliveredMs?: number;
  /** When the sending application heard of the delivery. */
  reportedMs?: number;
}

export interface Percentiles {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Figures {
  readonly accepted: number;
  readonly refused: number;
  readonly delivered: number;
  readonly reported: number;
  /** Accepted, and not delivered. */
  readonly lost: number;
  /** Delivered, and never reported. */
  readonly unreported: number;
  readonly deliveredAgain: number;
  readonly reportedAgain: number;
  /** Delivered before another message to the same person that was accepted before this one was handed over. */
  readonly overtakes: number;
  readonly acceptedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly reportedPerSecond: number;
  readonly dueToAccepted: Percentiles;
  readonly acceptedToDelivered: Percentiles;
  readonly dueToDelivered: Percentiles;
  readonly deliveredToReported: Percentiles;
}

export class JobRecord {
  readonly #messages = new Map<number, MessageTimes>();
  #refused = 0;
  #delivered = 0;
  #reported = 0;
  #deliveredAgain = 0;
  #reportedAgain = 0;

  submitted(index: number, contact: string, dueMs: number, submittedMs: number): void {
    this.#messages.set(index, { contact, dueMs, submittedMs });
  }

  accepted(index: number, atMs: number): void {
    const message = this.#messages.get(index);
    if (message !== undefined) message.acceptedMs = atMs;
  }

  refused(): void {
    this.#refused += 1;
  }

  delivered(index: number, atMs: number): void {
    const message = this.#messages.get(index);
    if (message === undefined) return;
    if (message.deliveredMs === undefined) {
      message.deliveredMs = atMs;
      this.#delivered += 1;
    } else this.#deliveredAgain += 1;
  }

  reported(index: number, atMs: number): void {
    const message = this.#messages.get(index);
    if (message === undefined) return;
    if (message.reportedMs === undefined) {
      message.reportedMs = atMs;
      this.#reported += 1;
    } else this.#reportedAgain += 1;
  }

  /** Deliveries and reports: grows as long as something happens. */
  get progress(): number {
    return this.#delivered + this.#reported + this.#deliveredAgain + this.#reportedAgain;
  }

  /** Whether every message that was not refused is delivered and reported. */
  get isComplete(): boolean {
    const expected = this.#messages.size - this.#refused;
    return this.#delivered >= expected && this.#reported >= expected;
  }

  /** @param receiptDelayMs what the other side waits between the two: taken off */
  figures(receiptDelayMs: number): Figures {
    const messages = [...this.#messages.values()];
    const firstMs = Math.min(...messages.slice(0, 1).map(({ submittedMs }) => submittedMs));
    const accepted = messages.flatMap(({ acceptedMs }) => acceptedMs ?? []);
    const delivered = messages.flatMap(({ deliveredMs }) => deliveredMs ?? []);
    const reported = messages.flatMap(({ reportedMs }) => reportedMs ?? []);
    return {
      accepted: accepted.length,
      refused: this.#refused,
      delivered: delivered.length,
      reported: reported.length,
      lost: messages.filter(({ acceptedMs, deliveredMs }) => acceptedMs !== undefined && deliveredMs === undefined)
        .length,
      unreported: messages.filter(
        ({ deliveredMs, reportedMs }) => deliveredMs !== undefined && reportedMs === undefined,
      ).length,
      deliveredAgain: this.#deliveredAgain,
      reportedAgain: this.#reportedAgain,
      overtakes: overtakesOf(messages),
      acceptedPerSecond: perSecond(accepted, firstMs),
      deliveredPerSecond: perSecond(delivered, firstMs),
      reportedPerSecond: perSecond(reported, firstMs),
      dueToAccepted: percentilesOf(messages, ({ dueMs, acceptedMs }) => between(dueMs, acceptedMs)),
      acceptedToDelivered: percentilesOf(messages, ({ acceptedMs, deliveredMs }) => between(acceptedMs, deliveredMs)),
      dueToDelivered: percentilesOf(messages, ({ dueMs, deliveredMs }) => between(dueMs, deliveredMs)),
      deliveredToReported: percentilesOf(messages, ({ deliveredMs, reportedMs }) =>
        between(deliveredMs, reportedMs, receiptDelayMs),
      ),
    };
  }
}

/** From the first hand-over to the last of them: what waits in queues is not done yet. */
function perSecond(times: readonly number[], firstMs: number): number {
  const lastMs = times.reduce((last, atMs) => Math.max(last, atMs), firstMs);
  return lastMs === firstMs ? 0 : (times.length * 1_000) / (lastMs - firstMs);
}

function overtakesOf(messages: readonly MessageTimes[]): number {
  const byContact = Map.groupBy(messages, ({ contact }) => contact);
  let overtakes = 0;
  for (const lane of byContact.values()) {
    const inOrder = lane.toSorted((a, b) => a.submittedMs - b.submittedMs);
    for (const [place, earlier] of inOrder.entries()) {
      const later = inOrder[place + 1];
      if (earlier.acceptedMs === undefined || earlier.deliveredMs === undefined) continue;
      if (later?.deliveredMs === undefined || later.submittedMs <= earlier.acceptedMs) continue;
      if (later.deliveredMs < earlier.deliveredMs) overtakes += 1;
    }
  }
  return overtakes;
}

/** A delivery may be seen a moment before the answer "accepted" is: that is no time at all. */
function between(fromMs: number | undefined, toMs: number | undefined, offMs = 0): number | undefined {
  return fromMs === undefined || toMs === undefined ? undefined : Math.max(0, toMs - fromMs - offMs);
}

function percentilesOf(
  messages: readonly MessageTimes[],
  latencyOf: (message: MessageTimes) => number | undefined,
): Percentiles {
  const sorted = messages.flatMap((message) => latencyOf(message) ?? []).toSorted((a, b) => a - b);
  const quantile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}
