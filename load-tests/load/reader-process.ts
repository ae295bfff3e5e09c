/** Reads the events of every business as a stream, and their ledgers when asked, in a process of its own. */
import { ChappeClient } from '@chappe/client/chappe-client';
import { MessageState, type Event } from '@chappe/proto/v1/event';
import { states, type State } from '../checker/run-record.ts';
import { placeOf } from './contacts.ts';
import { idHash } from './id-hash.ts';
import { nowMs } from './monotonic-clock.ts';
import type { ReaderRequest } from './reader.ts';
import { Notes, serveParent } from './serve-parent.ts';
import { numberIn } from './texts.ts';

const ledgerPageMax = 1_000;

const stateOf: Readonly<Record<MessageState, State | undefined>> = {
  [MessageState.UNSPECIFIED]: undefined,
  [MessageState.ACCEPTED]: 'accepted',
  [MessageState.SENT]: 'sent',
  [MessageState.DELIVERED]: 'delivered',
  [MessageState.READ]: 'read',
  [MessageState.FAILED]: 'failed',
  [MessageState.EXPIRED]: 'expired',
  [MessageState.CANCELLED]: 'cancelled',
};

/** Rows: message, place in `states`, id, read at, code of a failure or 0. */
const told = new Notes('told');
/** Rows: id of the message. */
const booked = new Notes('booked');
/** Rows: reply by its text, contact, business, read at. */
const received = new Notes('received');
const businesses: { readonly client: ChappeClient; entries: bigint }[] = [];

async function take(request: ReaderRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      for (const [business, apiKey] of request.apiKeys.entries()) {
        const client = new ChappeClient({ address: request.address, apiKey });
        businesses.push({ client, entries: 0n });
        const opened = Promise.withResolvers<void>();
        void read(client, business, opened.resolve);
        await opened.promise;
      }
      return;
    case 'readLedgers': {
      let count = 0;
      for (const business of businesses) count += await readLedger(business);
      booked.tell();
      return count;
    }
  }
}

/** For as long as this process runs: what does not pass ends it. */
async function read(client: ChappeClient, business: number, onOpen: () => void): Promise<void> {
  for await (const event of client.subscribe({ start: 'now', onOpen })) note(event, business);
}

function note({ kind, contact }: Event, business: number): void {
  if (kind.case === 'received') received.add(numberIn(kind.value.text), placeOf(contact), business, nowMs());
  if (kind.case !== 'state') return;
  const state = stateOf[kind.value.state];
  if (state === undefined) return;
  const { echo, messageId, error } = kind.value;
  told.add(numberIn(echo), states.indexOf(state), idHash(messageId), nowMs(), error?.code ?? 0);
}

async function readLedger(business: { readonly client: ChappeClient; entries: bigint }): Promise<number> {
  let count = 0;
  for (;;) {
    const { entries } = await business.client.billing.listLedger({ after: business.entries, limit: ledgerPageMax });
    for (const { messageId } of entries) booked.add(idHash(messageId));
    business.entries += BigInt(entries.length);
    count += entries.length;
    if (entries.length < ledgerPageMax) return count;
  }
}

serveParent(take);
