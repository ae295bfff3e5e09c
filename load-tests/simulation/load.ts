/**
 * The businesses' side: hands messages over to gateways, again under the same id where it is not known what became of
 * them, and none behind one that is not answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Unanswered } from './network.ts';
import { businesses, laneAt, people } from './people.ts';
import type { Burst } from './plan.ts';
import { messageIdOf, type Promises } from './promises.ts';
import type { Site } from './site.ts';
import type { Answer, Submission } from './submissions.ts';
import type { Life } from './virtual-time.ts';

const answerMs = 9_000;
const againMs = 300;

export class Load {
  readonly #site: Site;
  readonly #life: Life;
  readonly #promises: Promises;
  #submitted = 0;
  #open = 0;

  constructor(site: Site, life: Life, promises: Promises) {
    this.#site = site;
    this.#life = life;
    this.#promises = promises;
  }

  /** Nothing is handed over any more, and everything is answered. */
  get isDone(): boolean {
    return this.#open === 0;
  }

  /** Registers every device, and has every person opt in. */
  async register(): Promise<void> {
    this.#open += 1;
    for (const { contact, devices } of people) {
      for (const device of devices) await this.#handOver([{ kind: 'device', contact, device }], () => undefined);
      for (const business of businesses) await this.#handOver([{ kind: 'opt_in', contact, business }], () => undefined);
    }
    this.#open -= 1;
  }

  /** The bursts of one lane, one after the other. */
  async runLane(lane: number, bursts: readonly Burst[], startMs: number): Promise<void> {
    this.#open += 1;
    const { contact, number } = laneAt(lane);
    const { record } = this.#promises;
    for (const { atMs, count } of bursts) {
      await sleep(startMs + atMs - performance.now());
      const submissions = Array.from({ length: count }, (): Submission => {
        const message = this.#submitted;
        this.#submitted += 1;
        record.noteSubmitted({ message, lane, stream: lane, atMs: performance.now() });
        return { kind: 'message', contact, number, messageId: messageIdOf(message) };
      });
      const first = this.#submitted - count;
      this.#site.trace.say(
        'business',
        `hands over ${messageIdOf(first)} to ${messageIdOf(first + count - 1)} for ${contact} from ${number}`,
      );
      await this.#handOver(submissions, (place) => {
        record.noteAccepted(first + place, performance.now());
        this.#site.trace.say('business', `hears that ${messageIdOf(first + place)} is accepted`);
      });
    }
    this.#open -= 1;
  }

  /** Until all of them are accepted, in order. */
  async #handOver(submissions: readonly Submission[], accepted: (place: number) => void): Promise<void> {
    let left = submissions.map((submission, place) => ({ submission, place }));
    for (;;) {
      const answers = await this.#ask(left.map(({ submission }) => submission));
      for (const [index, answer] of answers.entries()) {
        const place = left[index]?.place;
        if (answer.kind === 'accepted' && place !== undefined) accepted(place);
      }
      left = left.filter((_, index) => answers[index]?.kind !== 'accepted');
      if (left.length === 0) return;
      await sleep(againMs);
    }
  }

  async #ask(submissions: readonly Submission[]): Promise<readonly Answer[]> {
    const gateways = [...this.#site.gateways.values()];
    const gateway = gateways[Math.floor(Math.random() * gateways.length)];
    if (gateway === undefined) return [];
    try {
      const call = { name: 'send', timeoutMs: answerMs };
      return await this.#site.network.call(this.#life, gateway.life, call, () => gateway.send(submissions));
    } catch (error) {
      if (error instanceof Unanswered) return [];
      throw error;
    }
  }
}
