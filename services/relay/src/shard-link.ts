/**
 * One Attach stream to one start of one shard, opened again with bounded back-off.
 *
 * What is to be sent is not queued as frames: devices with something to send are noted, and a
 * frame is made from their state when the stream takes one. So a slow shard costs no memory, and
 * ten acknowledgements of a device become one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { toChappeError } from '@chappe/errors/chappe-error';
import {
  AttachRequestSchema,
  DeviceAcknowledgeSchema,
  DeviceAttachSchema,
  DeviceDetachSchema,
  DeviceReadSchema,
  DeviceRefSchema,
  type AttachRequest,
  type AttachResponse,
  type DeviceRef,
  type SenderService,
} from '@chappe/proto/internal/sender_service';
import type { Channel, Client, ClientStream } from '@chappe/rpc/client';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { DeviceConnection } from './device-connection.ts';
import type { Events } from './events.ts';
import { attachEntriesMax, linkBackoffMaxMs, linkBackoffMinMs, linkSettledMs } from './limits.ts';
import { Signal } from './signal.ts';

/** A device that is to be, or is, attached through a link. */
export interface Attachable {
  readonly connection: DeviceConnection;
  /** The attach itself is to be sent. */
  attachDue: boolean;
}

/** The connections to one shard. */
export interface ShardChannel extends Pick<Channel, 'waitForReady'>, Disposable {
  readonly attach: Client<typeof SenderService>['attach'];
}

export interface ShardLinkDependencies {
  readonly shard: Pick<ShardInfo, 'id' | 'instance' | 'address'>;
  readonly events: Events;
  readonly connect: (address: string) => ShardChannel;
  /** A stream was opened: everything is to be attached anew. */
  readonly onOpened: (link: ShardLink) => void;
  readonly onResponse: (link: ShardLink, response: AttachResponse) => void;
}

/** One frame holds at most three entries of a device. */
const entriesPerDevice = 3;

export class ShardLink implements AsyncDisposable {
  readonly shard: ShardLinkDependencies['shard'];
  readonly #dependencies: ShardLinkDependencies;
  readonly #ending = new AbortController();
  readonly #channel: ShardChannel;
  readonly #loop: Promise<void>;
  readonly #toSend = new Signal();
  readonly #due = new Set<Attachable>();
  #detaches: DeviceRef[] = [];
  #session = 0;
  #up = false;
  #problem: string | undefined = 'its stream was not opened yet';

  constructor(dependencies: ShardLinkDependencies) {
    this.#dependencies = dependencies;
    this.shard = dependencies.shard;
    this.#channel = dependencies.connect(this.shard.address);
    this.#loop = this.#run();
  }

  /** Counts the streams; what was attached on an earlier one is attached no more. */
  get session(): number {
    return this.#session;
  }

  get up(): boolean {
    return this.#up;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** Notes that a device has something to send. */
  note(attachable: Attachable): void {
    if (!this.#up) return;
    this.#due.add(attachable);
    this.#toSend.set();
  }

  /** Takes a device off. */
  leave(attachable: Attachable): void {
    this.#due.delete(attachable);
    this.detach(refOf(attachable.connection));
  }

  /** Tells the shard, which may still hold it. */
  detach(device: DeviceRef): void {
    if (!this.#up) return;
    this.#detaches.push(device);
    this.#toSend.set();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#toSend.set();
    await this.#loop;
    this.#channel[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    let backoffMs = linkBackoffMinMs;
    while (!signal.aborted) {
      const openedAtMs = performance.now();
      this.#problem = (await this.#connect()) ?? (await this.#runSession(this.#channel.attach({ signal })));
      if (signal.aborted) return;
      if (performance.now() - openedAtMs >= linkSettledMs) backoffMs = linkBackoffMinMs;
      // Half of it at random, so that the relays do not come back all at once.
      await sleep(backoffMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, linkBackoffMaxMs);
    }
  }

  /** Until the shard answers; why it does not. */
  async #connect(): Promise<string | undefined> {
    const { signal } = this.#ending;
    const ended = Promise.withResolvers<void>();
    const end = (): void => ended.resolve();
    signal.addEventListener('abort', end, { once: true });
    try {
      await Promise.race([this.#channel.waitForReady(linkBackoffMaxMs), ended.promise]);
      return undefined;
    } catch (error) {
      return toChappeError(error).message;
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  /** Until the stream ends; why it did. */
  async #runSession(
    stream: ClientStream<MessageInitShape<typeof AttachRequestSchema>, AttachResponse>,
  ): Promise<string> {
    const { events, onOpened, onResponse, shard } = this.#dependencies;
    this.#session += 1;
    this.#up = true;
    this.#problem = undefined;
    events.linkUp(shard.id);
    onOpened(this);
    const sending = this.#send(stream, this.#session);
    let reason = 'the shard ended the stream';
    try {
      for await (const response of stream.responses) onResponse(this, response);
    } catch (error) {
      reason = toChappeError(error).message;
    }
    this.#up = false;
    this.#due.clear();
    this.#detaches = [];
    this.#toSend.set();
    stream.cancel();
    await sending;
    events.linkDown(shard.id, reason);
    return reason;
  }

  async #send(
    stream: ClientStream<MessageInitShape<typeof AttachRequestSchema>, AttachResponse>,
    session: number,
  ): Promise<void> {
    while (this.#up && this.#session === session) {
      const request = this.#next();
      if (request === undefined) await this.#toSend.wait();
      else await stream.send(request);
    }
  }

  #next(): AttachRequest | undefined {
    if (this.#detaches.length === 0 && this.#due.size === 0) return undefined;
    const request = create(AttachRequestSchema);
    const detaches = this.#detaches.splice(0, attachEntriesMax - entriesPerDevice);
    for (const device of detaches) request.detach.push(create(DeviceDetachSchema, { device }));
    let entries = detaches.length;
    for (const attachable of this.#due) {
      // Nothing of a device goes before a detach of it.
      if (this.#detaches.length > 0 || entries + entriesPerDevice > attachEntriesMax) break;
      this.#due.delete(attachable);
      entries += this.#add(request, attachable);
    }
    return entries === 0 ? undefined : request;
  }

  /** Adds what a device has to send; how many entries that made. */
  #add(request: AttachRequest, attachable: Attachable): number {
    const { connection } = attachable;
    const { uplink } = connection;
    if (uplink === undefined) return 0;
    const device = refOf(connection);
    let entries = 0;
    if (attachable.attachDue) {
      attachable.attachDue = false;
      request.attach.push(create(DeviceAttachSchema, { device, resume: uplink.resume() }));
      entries += 1;
    }
    const acknowledge = uplink.takeAcknowledge();
    if (acknowledge !== undefined) {
      request.acknowledge.push(create(DeviceAcknowledgeSchema, { device, acknowledge }));
      entries += 1;
    }
    const messageIds = uplink.takeReads();
    if (messageIds.length > 0) {
      request.read.push(create(DeviceReadSchema, { device, messageIds }));
      entries += 1;
      connection.sent();
      if (uplink.readsWaiting() > 0) this.#due.add(attachable);
    }
    return entries;
  }
}

function refOf({ device: { contact, device }, connectionNo }: DeviceConnection): DeviceRef {
  return create(DeviceRefSchema, { contact, device, connectionNo });
}
