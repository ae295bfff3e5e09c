/**
 * Everything that a load test plays on: the system under test, the processes of driver, reader and handsets, the
 * businesses and the people. Notes of all of them go to the window that is open.
 */
import { AdminClient } from '@chappe/client/admin-client';
import { Child } from './child.ts';
import type { DriverRequest } from './driver.ts';
import type { FleetRequest } from './fleet.ts';
import { usageOf } from './process-usage.ts';
import type { ReaderRequest } from './reader.ts';
import type { ProcessUsage, Target, TargetProcess } from './target.ts';

export interface StageOptions {
  readonly businesses: number;
  /** Processes of handsets. */
  readonly fleets: number;
}

/** One-time keys made at a registration: enough for the sessions of a few businesses; the server asks for more. */
const preKeyCount = 30;

export type NotesSink = (topic: string, rows: Float64Array) => void;

/** Where notes go; nowhere before the first window. */
interface Hub {
  sink: NotesSink | undefined;
}

interface Parts {
  readonly target: Target;
  readonly admin: AdminClient;
  readonly driver: Child<DriverRequest>;
  readonly reader: Child<ReaderRequest>;
  readonly fleets: readonly Child<FleetRequest>[];
  readonly businesses: number;
  readonly hub: Hub;
}

export class Stage implements AsyncDisposable {
  readonly target: Target;
  readonly admin: AdminClient;
  readonly driver: Child<DriverRequest>;
  readonly reader: Child<ReaderRequest>;
  readonly fleets: readonly Child<FleetRequest>[];
  readonly businesses: number;
  /** Of the next window's first message. */
  nextMessage = 0;
  readonly #hub: Hub;
  #registered = 0;
  readonly #resources: AsyncDisposableStack;

  static async set(target: Target, { businesses, fleets }: StageOptions): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const admin = resources.use(new AdminClient({ address: target.gateway, adminKey: target.adminKey }));
    const numbers = Array.from({ length: businesses }, (_, no) => `+331234${String(50_000 + no)}`);
    const apiKeys: string[] = [];
    for (const number of numbers) {
      const { apiKey } = await admin.businesses.create({ name: `Load ${number}`, number });
      apiKeys.push(apiKey);
    }
    const hub: Hub = { sink: undefined };
    const take: NotesSink = (topic, rows) => hub.sink?.(topic, rows);
    const driver = resources.use(new Child<DriverRequest>('driver-process.ts', take));
    const reader = resources.use(new Child<ReaderRequest>('reader-process.ts', take));
    const handsets = Array.from({ length: fleets }, () =>
      resources.use(new Child<FleetRequest>('fleet-process.ts', take)),
    );
    await driver.ask({ kind: 'start', address: target.gateway, apiKeys });
    await reader.ask({ kind: 'start', address: target.gateway, apiKeys });
    const businessNumbers = numbers.map((number) => number.slice(1));
    const { devices: address, codesFile } = target;
    for (const [part, fleet] of handsets.entries())
      await fleet.ask({ kind: 'start', address, codesFile, part, parts: fleets, businessNumbers });
    return new Stage({ target, admin, driver, reader, fleets: handsets, businesses, hub }, resources.move());
  }

  private constructor(parts: Parts, resources: AsyncDisposableStack) {
    this.target = parts.target;
    this.admin = parts.admin;
    this.driver = parts.driver;
    this.reader = parts.reader;
    this.fleets = parts.fleets;
    this.businesses = parts.businesses;
    this.#hub = parts.hub;
    this.#resources = resources;
  }

  /** How many people have a handset. */
  get registered(): number {
    return this.#registered;
  }

  /** From here on notes go to it. */
  listen(sink: NotesSink): void {
    this.#hub.sink = sink;
  }

  /** People with a connected handset and an opt-in to every business: the first `count` places. @returns how long the new ones took */
  async gather(count: number): Promise<{ readonly registered: number; readonly tookMs: number }> {
    const startedMs = performance.now();
    const from = this.#registered;
    if (count <= from) return { registered: 0, tookMs: 0 };
    const span = { from, count: count - from };
    await Promise.all([
      ...this.fleets.map((fleet) => fleet.ask({ kind: 'register', ...span, preKeyCount })),
      this.driver.ask({ kind: 'optIn', ...span }),
    ]);
    this.#registered = count;
    return { registered: span.count, tookMs: performance.now() - startedMs };
  }

  /** Contacts without a device, up to so many people in all. */
  async optIn(count: number): Promise<void> {
    await this.driver.ask({ kind: 'optIn', from: this.#registered, count: count - this.#registered });
  }

  /** Every process that has a part in it; without those that end meanwhile. */
  async usage(): Promise<readonly ProcessUsage[]> {
    const own: TargetProcess[] = [
      { name: 'driver', part: 'driver', pid: this.driver.pid },
      { name: 'reader', part: 'reader', pid: this.reader.pid },
      ...this.fleets.map(({ pid }, no) => ({ name: `handsets-${no + 1}`, part: 'handsets', pid })),
      { name: 'checker', part: 'checker', pid: process.pid },
    ];
    const all = [...(await this.target.processes()), ...own];
    const usages = await Promise.all(
      all.map(async (one) => {
        const usage = await usageOf(one.pid).catch(() => undefined);
        return usage === undefined ? [] : [{ ...one, ...usage }];
      }),
    );
    return usages.flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
