/** Calls to the shard that works on a contact's range, wherever that is now. */
import { ChappeError } from '@chappe/errors/chappe-error';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import { SenderService, type GetContactResponse } from '@chappe/proto/internal/sender_service';
import type { Range } from '@chappe/ranges/range';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { Channel, type Client } from '@chappe/rpc/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Commands } from './commands.ts';
import { contactDeadlineMs, ownerAttemptsMax, ownerBackoffMs } from './limits.ts';

interface Connection {
  readonly channel: Channel;
  readonly sender: Client<typeof SenderService>;
}

export class Shards implements Disposable {
  readonly #table: TableWatcher;
  readonly #commands: Commands;
  readonly #credentials: ChannelCredentials | undefined;
  /** By address; those of shards that are gone are closed. */
  readonly #connections = new Map<string, Connection>();
  readonly #subscription: Disposable;

  /** @param credentials absent: no TLS between the services */
  constructor(table: TableWatcher, commands: Commands, credentials?: ChannelCredentials) {
    this.#table = table;
    this.#commands = commands;
    this.#credentials = credentials;
    this.#subscription = table.onChange(() => this.#closeStale());
  }

  /**
   * What the contact's range knows, as new as this gateway's own commands at least.
   *
   * @throws ChappeError `rangeUnavailable` when no owner answers after a few looks
   */
  async contact(contact: PhoneNumber, business: string): Promise<GetContactResponse> {
    let last: ChappeError | undefined;
    for (let attempt = 0; attempt < ownerAttemptsMax; attempt += 1) {
      if (attempt > 0) await sleep(ownerBackoffMs * attempt);
      const range = this.#table.current()?.find(contact);
      const address = range === undefined ? undefined : this.#addressOf(range);
      if (range === undefined || address === undefined) continue;
      try {
        const minOffset = this.#commands.minOffset(range.id);
        return await this.#connect(address).sender.getContact(
          { contact, business, minOffset, range: range.id },
          { deadlineMs: contactDeadlineMs },
        );
      } catch (error) {
        if (!(error instanceof ChappeError) || error.entry.retry === 'never') throw error;
        last = error;
      }
    }
    throw new ChappeError('rangeUnavailable', "no shard answers for the contact's range now", {
      retryAfterMs: 1_000,
      ...(last === undefined ? {} : { cause: last }),
    });
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
    for (const { channel } of this.#connections.values()) channel[Symbol.dispose]();
    this.#connections.clear();
  }

  #addressOf({ owner }: Range): string | undefined {
    return owner === undefined ? undefined : this.#table.shards().get(owner)?.address;
  }

  #connect(address: string): Connection {
    const known = this.#connections.get(address);
    if (known !== undefined) return known;
    const channel = new Channel({ address, credentials: this.#credentials });
    const connection = { channel, sender: channel.client(SenderService) };
    this.#connections.set(address, connection);
    return connection;
  }

  #closeStale(): void {
    const live = new Set([...this.#table.shards().values()].map(({ address }) => address));
    for (const [address, { channel }] of this.#connections) {
      if (live.has(address)) continue;
      this.#connections.delete(address);
      channel[Symbol.dispose]();
    }
  }
}
