/** The businesses of the demo: their templates, opt-ins and events. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { fromWireError } from '@chappe/rpc/status';
import { MessageState, type Event } from '@chappe/proto/v1/event';
import { Category, type Template } from '@chappe/proto/v1/template_service';
import { nameOf } from '../format.ts';
import { readTemplateFile, type TemplateText } from '../template-file.ts';
import type { BookedEntry, Price, State, Tally } from './tally.ts';

export interface DemoBusiness extends Disposable {
  readonly name: string;
  /** E.164 with `+`. */
  readonly number: string;
  readonly client: ChappeClient;
  readonly templates: readonly Template[];
}

/** Numbers that the French regulator keeps for fiction. */
const businessNames = [
  { name: 'Air Semaphore', number: '+33199009001' },
  { name: 'Green Pastures', number: '+33199009002' },
] as const;

/** Opt-ins a call carries at most (contact_service.proto). */
const optInsPerCallMax = 1_000;

/** Entries a call answers at most (billing_service.proto). */
const ledgerEntriesPerCallMax = 1_000;

const note: TemplateText = {
  name: 'note',
  language: 'en',
  category: Category.UTILITY,
  header: '',
  body: '{{text}}',
  footer: '',
  code: '',
};

export async function createBusinesses(
  admin: AdminClient,
  address: string,
  examplesFolder: string,
): Promise<DemoBusiness[]> {
  const texts = [...readTemplateFile(readFileSync(join(examplesFolder, 'templates.json'), 'utf8')), note];
  return await Promise.all(
    businessNames.map(async ({ name, number }) => {
      const { apiKey } = await admin.businesses.create({ name, number });
      const client = new ChappeClient({ address, apiKey });
      for (const template of texts) await client.templates.create({ template });
      const { templates } = await client.templates.list({});
      return { name, number, client, templates, [Symbol.dispose]: () => client[Symbol.dispose]() };
    }),
  );
}

export async function recordOptIns({ client, name }: DemoBusiness, contacts: readonly string[]): Promise<void> {
  for (let first = 0; first < contacts.length; first += optInsPerCallMax) {
    const optIns = contacts.slice(first, first + optInsPerCallMax).map((contact) => ({
      contact,
      source: 'demo',
      wording: `I agree to receive messages from ${name} on this number.`,
    }));
    const { results } = await client.contacts.optIn({ optIns });
    const refused = results.find(({ error }) => error !== undefined)?.error;
    if (refused !== undefined) throw fromWireError(refused);
  }
}

/** Writes the events of a business into the tally until the signal. */
export async function recordEvents(
  { client, number }: DemoBusiness,
  tally: Tally,
  onEvent: (event: Event) => void,
  signal: AbortSignal,
): Promise<void> {
  for await (const event of client.subscribe({ signal })) {
    const { kind } = event;
    if (kind.case === 'received') tally.repliesReceived.push(kind.value.text);
    if (kind.case === 'state') {
      const { messageId, state, error, pricing } = kind.value;
      tally.noteEvent({
        eventId: event.id,
        business: number,
        messageId,
        state: stateOf(state),
        ...(error === undefined ? {} : { reason: `${error.code} ${error.title}` }),
        ...(pricing?.price === undefined
          ? {}
          : { price: { country: pricing.country, ...pricing.price } satisfies Price }),
      });
    }
    onEvent(event);
  }
}

function stateOf(state: MessageState): State {
  return nameOf(MessageState, state) as State;
}

/** The whole ledger of a business. */
export async function readLedger({ client, number }: DemoBusiness): Promise<BookedEntry[]> {
  const booked: BookedEntry[] = [];
  let after = 0n;
  for (;;) {
    const { entries } = await client.billing.listLedger({ after, limit: ledgerEntriesPerCallMax });
    for (const { no, messageId, country, amount } of entries) {
      booked.push({
        business: number,
        messageId,
        country,
        currency: amount?.currency ?? '',
        micros: amount?.micros ?? 0n,
      });
      after = no;
    }
    if (entries.length === 0) return booked;
  }
}
