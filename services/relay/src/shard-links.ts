/**
 * Which device is attached through which shard: the relay's half of the rules for takeovers.
 *
 * One stream for each shard that the table names, and one placement for each device: (range,
 * epoch, stream). `#reconcile` compares every placement with the table as it is and attaches anew
 * what differs, whatever the reason for the call was; changes of the table and opened streams only
 * cause it. A push counts only from the stream through which its device is placed, and only with
 * the newest epoch seen for the range.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import {
  RefusedReason,
  type AttachResponse,
  type DevicePush,
  type DeviceRef,
  type DeviceRefused,
} from '@chappe/proto/internal/sender_service';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { superseded, type Connections } from './connections.ts';
import type { AttachedTo, DeviceConnection } from './device-connection.ts';
import type { Events } from './events.ts';
import { notOwnerRetryMs, unknownDeviceMs, retryMaxMs } from './limits.ts';
import { ShardLink, type Attachable, type ShardLinkDependencies } from './shard-link.ts';

interface Placement {
  readonly link: ShardLink;
  readonly session: number;
  readonly rangeId: string;
  readonly epoch: number;
}

interface Placed extends Attachable {
  /** Where it was attached last. */
  placement: Placement | undefined;
  /** On the monotonic clock: not to be attached before. */
  retryAtMs: number;
  /** How often it was told `not_owner` under the present table. */
  refusals: number;
  /** Since when the shard says that it does not know the device, and how often it said so. */
  unknown: { readonly sinceMs: number; readonly times: number } | undefined;
}

export interface ShardLinksDependencies {
  readonly table: TableWatcher;
  readonly connections: Connections;
  readonly events: Events;
  readonly connect: ShardLinkDependencies['connect'];
}

export class ShardLinks implements AttachedTo, AsyncDisposable {
  readonly #dependencies: ShardLinksDependencies;
  readonly #links = new Map<string, ShardLink>();
  readonly #ending = new Set<Promise<void>>();
  readonly #placed = new Map<DeviceConnection, Placed>();
  /** The newest epoch seen in the table or in a push, by range. */
  readonly #epochs = new Map<string, number>();
  readonly #waiting = new Set<Placed>();
  readonly #subscription: Disposable;
  #timer: NodeJS.Timeout | undefined;
  #open = true;

  constructor(dependencies: ShardLinksDependencies) {
    this.#dependencies = dependencies;
    this.#subscription = dependencies.table.onChange(() => this.#adopt());
    this.#adopt();
  }

  /** Why devices of some ranges hear nothing, by shard. */
  problems(): Record<string, string> {
    return Object.fromEntries(
      [...this.#links.values()]
        .filter(({ up }) => !up)
        .map(({ shard, problem }) => [`shard ${shard.id}`, problem ?? 'no stream']),
    );
  }

  attach(connection: DeviceConnection): void {
    const placed: Placed = {
      connection,
      attachDue: false,
      placement: undefined,
      retryAtMs: 0,
      refusals: 0,
      unknown: undefined,
    };
    this.#placed.set(connection, placed);
    this.#place(placed);
  }

  reattach(connection: DeviceConnection): void {
    const placed = this.#placed.get(connection);
    if (placed === undefined) return;
    // While a retry is due there is no placement to renew; the retry takes the new position.
    if (placed.placement === undefined || !isLive(placed.placement)) return;
    this.#attachThrough(placed, placed.placement);
  }

  changed(connection: DeviceConnection): void {
    const placed = this.#placed.get(connection);
    if (placed?.placement !== undefined && isLive(placed.placement)) placed.placement.link.note(placed);
  }

  detach(connection: DeviceConnection): void {
    const placed = this.#placed.get(connection);
    if (placed === undefined) return;
    this.#placed.delete(connection);
    this.#waiting.delete(placed);
    this.#leave(placed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    this.#subscription[Symbol.dispose]();
    clearTimeout(this.#timer);
    for (const link of this.#links.values()) this.#end(link);
    this.#links.clear();
    await Promise.all(this.#ending);
  }

  /** Takes the table and the shards as they are now. */
  #adopt(): void {
    const { table, events } = this.#dependencies;
    const shards = table.shards();
    for (const [id, link] of this.#links) {
      const shard = shards.get(id);
      if (shard?.instance === link.shard.instance && shard.address === link.shard.address) continue;
      // A shard whose key is missing may be alive: its stream stays until another start replaces it
      // or no range names it any more.
      if (shard === undefined && link.up && this.#isOwner(id)) continue;
      this.#links.delete(id);
      this.#end(link);
    }
    for (const { id, instance, address } of shards.values()) {
      if (this.#links.has(id)) continue;
      const link = new ShardLink({
        shard: { id, instance, address },
        events,
        connect: this.#dependencies.connect,
        onOpened: () => this.#reconcile(),
        onResponse: (from, response) => this.#receive(from, response),
      });
      this.#links.set(id, link);
    }
    this.#takeEpochs();
    // A new table is what a refused device waited for.
    for (const placed of this.#waiting) Object.assign(placed, { retryAtMs: 0, refusals: 0 });
    this.#waiting.clear();
    this.#reconcile();
  }

  #isOwner(shardId: string): boolean {
    return this.#dependencies.table.current()?.ranges.some(({ owner }) => owner === shardId) ?? false;
  }

  #end(link: ShardLink): void {
    const ended = link[Symbol.asyncDispose]().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  #takeEpochs(): void {
    const ranges = this.#dependencies.table.current()?.ranges ?? [];
    const present = new Set(ranges.map(({ id }) => id));
    for (const id of this.#epochs.keys()) if (!present.has(id)) this.#epochs.delete(id);
    for (const { id, epoch } of ranges) this.#epochs.set(id, Math.max(epoch, this.#epochs.get(id) ?? 0));
  }

  #reconcile(): void {
    if (!this.#open) return;
    for (const placed of this.#placed.values()) this.#place(placed);
  }

  /** Attaches a device where the table says, if it is not attached there. */
  #place(placed: Placed): void {
    if (placed.retryAtMs > performance.now()) return;
    const range = this.#dependencies.table.current()?.working(placed.connection.device.contact);
    // A range without an owner is being taken over: the former owner goes on meanwhile.
    const link = range?.owner === undefined ? undefined : this.#links.get(range.owner);
    if (range === undefined || link === undefined || !link.up) return;
    const { placement } = placed;
    if (
      placement !== undefined &&
      placement.link === link &&
      placement.session === link.session &&
      placement.rangeId === range.id &&
      placement.epoch === range.epoch
    ) {
      return;
    }
    if (placement?.link !== link) this.#leave(placed);
    this.#attachThrough(placed, { link, session: link.session, rangeId: range.id, epoch: range.epoch });
  }

  #attachThrough(placed: Placed, placement: Placement): void {
    placed.placement = placement;
    placed.attachDue = true;
    placed.connection.uplink?.reattach();
    placement.link.note(placed);
  }

  #leave(placed: Placed): void {
    const { placement } = placed;
    placed.placement = undefined;
    if (placement !== undefined && isLive(placement)) placement.link.leave(placed);
  }

  #receive(link: ShardLink, response: AttachResponse): void {
    for (const push of response.push) this.#push(link, push);
    for (const { device, forget } of response.forget) {
      const placed = this.#find(link, device);
      if (placed !== undefined && forget !== undefined) placed.connection.forget(forget);
    }
    for (const { device, outcome } of response.outcome) {
      if (outcome !== undefined) this.#find(link, device)?.connection.outcome(outcome);
    }
    for (const refused of response.refused) this.#refused(link, refused);
  }

  #push(link: ShardLink, { device, range, epoch, envelopes }: DevicePush): void {
    const placed = this.#find(link, device);
    if (placed?.placement === undefined || envelopes === undefined) {
      this.#dependencies.events.dropped('stale_attachment');
      // It left while its placement was in doubt, so that nobody was told.
      if (device !== undefined && this.#connectionOf(device) === undefined) link.detach(device);
      return;
    }
    // By the range that pushes: one that replaces another may push before the table says that it is active.
    const newest = this.#epochs.get(range) ?? 0;
    if (Number(epoch) < newest) {
      this.#dependencies.events.dropped('lower_epoch');
      return;
    }
    if (Number(epoch) > newest) this.#epochs.set(range, Number(epoch));
    placed.unknown = undefined;
    placed.refusals = 0;
    placed.connection.push(envelopes);
  }

  #refused(link: ShardLink, { device, reason }: DeviceRefused): void {
    const placed = this.#find(link, device);
    if (placed === undefined) return;
    switch (reason) {
      case RefusedReason.SUPERSEDED:
        placed.placement = undefined;
        placed.connection.end(superseded());
        return;
      case RefusedReason.UNKNOWN_DEVICE:
        this.#unknown(placed);
        return;
      case RefusedReason.NOT_OWNER:
      case RefusedReason.UNSPECIFIED:
        this.#retryAfter(placed, Math.min(notOwnerRetryMs * 2 ** placed.refusals, retryMaxMs));
        placed.refusals += 1;
    }
  }

  /**
   * The worker may not have done the registration yet. After a while the device is sent to connect again, which
   * tells it if it was removed: whether it was, its registration says, and not how long the worker takes.
   */
  #unknown(placed: Placed): void {
    const nowMs = performance.now();
    const { sinceMs, times } = placed.unknown ?? { sinceMs: nowMs, times: 0 };
    placed.unknown = { sinceMs, times: times + 1 };
    if (nowMs - sinceMs < unknownDeviceMs) {
      this.#retryAfter(placed, Math.min(notOwnerRetryMs * 2 ** times, retryMaxMs));
      return;
    }
    placed.placement = undefined;
    placed.connection.end(
      new ChappeError('notReady', 'the registration is not worked off yet; connect again', {
        retryAfterMs: retryMaxMs,
      }),
    );
  }

  #retryAfter(placed: Placed, waitMs: number): void {
    placed.placement = undefined;
    placed.retryAtMs = performance.now() + waitMs;
    this.#waiting.add(placed);
    this.#timer ??= setTimeout(() => this.#retry(), notOwnerRetryMs);
  }

  #retry(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (const placed of this.#waiting) {
      if (placed.retryAtMs > nowMs) continue;
      this.#waiting.delete(placed);
      this.#place(placed);
    }
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#retry(), notOwnerRetryMs);
  }

  #connectionOf({ contact, device, connectionNo }: DeviceRef): DeviceConnection | undefined {
    const connection = this.#dependencies.connections.find(contact, device);
    return connection?.connectionNo === connectionNo ? connection : undefined;
  }

  /** The device that a shard means, if it is placed through this very stream. */
  #find(link: ShardLink, ref: DeviceRef | undefined): Placed | undefined {
    if (ref === undefined) return undefined;
    const connection = this.#connectionOf(ref);
    if (connection === undefined) return undefined;
    const placed = this.#placed.get(connection);
    const placement = placed?.placement;
    return placement !== undefined && placement.link === link && isLive(placement) ? placed : undefined;
  }
}

function isLive({ link, session }: Placement): boolean {
  return link.up && link.session === session;
}
