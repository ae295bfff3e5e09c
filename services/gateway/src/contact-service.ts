/** ContactService: agreements and refusals go into the contact's log; what it knows comes from its range. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { ChappeError, toChappeError } from '@chappe/errors/chappe-error';
import { display, parsePhoneNumber, type PhoneNumber } from '@chappe/numbers/phone-number';
import {
  AcknowledgeIdentityCommandSchema,
  OptInCommandSchema,
  OptOutCommandSchema,
} from '@chappe/proto/internal/commands';
import type { GetContactResponse } from '@chappe/proto/internal/sender_service';
import { ContactService, type OptIn } from '@chappe/proto/v1/contact_service';
import { OptInState } from '@chappe/proto/v1/event';
import { implement, type Implementation } from '@chappe/rpc/server';
import { toWireError } from '@chappe/rpc/status';
import type { Business } from './businesses.ts';
import type { Callers } from './callers.ts';
import type { CommandKind, Commands } from './commands.ts';
import type { GatewayEvents } from './events.ts';
import { optInsPerCallMax, optInSourceCharactersMax, optInWordingCharactersMax } from './limits.ts';
import type { Shards } from './shards.ts';
import { longerThan } from './template-text.ts';

export interface ContactServiceDependencies {
  readonly callers: Callers;
  readonly commands: Commands;
  readonly shards: Shards;
  readonly events: GatewayEvents;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function contactService(dependencies: ContactServiceDependencies): Implementation {
  const { callers, commands, shards, events, now } = dependencies;
  return implement(ContactService, {
    optIn: async ({ optIns }, { bearer }) => {
      const business = await callers.business(bearer);
      if (optIns.length > optInsPerCallMax) {
        throw new ChappeError('invalidRequest', `at most ${optInsPerCallMax} opt-ins in one call`);
      }
      // Handed over in order, so that a later one for the same contact counts.
      const results = optIns.map(async (optIn) => {
        try {
          const { contact, kind } = optInCommand(business, optIn, now());
          await commands.append(contact, kind);
          return {};
        } catch (error) {
          if (!(error instanceof ChappeError)) events.unexpected(error, 'opt-in');
          return { error: toWireError(toChappeError(error)) };
        }
      });
      return { results: await Promise.all(results) };
    },

    optOut: async (request, { bearer }) => {
      const { id } = await callers.business(bearer);
      const contact = contactOf(request.contact);
      await commands.append(contact, { case: 'optOut', value: create(OptOutCommandSchema, { business: id }) });
      return {};
    },

    get: async (request, { bearer }) => {
      const business = await callers.business(bearer);
      const contact = contactOf(request.contact);
      return publicContact(contact, await shards.contact(contact, business.id));
    },

    acknowledgeIdentity: async (request, { bearer }) => {
      const { id } = await callers.business(bearer);
      const value = create(AcknowledgeIdentityCommandSchema, { business: id });
      await commands.append(contactOf(request.contact), { case: 'acknowledgeIdentity', value });
      return {};
    },
  });
}

function contactOf(text: string): PhoneNumber {
  if (text === '') throw new ChappeError('parameterMissing', 'contact is empty');
  return parsePhoneNumber(text).number;
}

function optInCommand(business: Business, optIn: OptIn, nowMs: number): { contact: PhoneNumber; kind: CommandKind } {
  const contact = contactOf(optIn.contact);
  if (business.numbers.includes(contact))
    throw new ChappeError('sendToSelf', "contact: it is the business's own number");
  checkText('source', optIn.source, optInSourceCharactersMax);
  checkText('wording', optIn.wording, optInWordingCharactersMax);
  const givenAtMs = optIn.givenAt === undefined ? nowMs : timestampMs(optIn.givenAt);
  if (givenAtMs > nowMs + clockToleranceMs) throw new ChappeError('parameterInvalid', 'given_at: it is in the future');
  const { source, wording } = optIn;
  const value = create(OptInCommandSchema, {
    business: business.id,
    source,
    wording,
    givenAtMs: BigInt(Math.floor(givenAtMs)),
  });
  return { contact, kind: { case: 'optIn', value } };
}

/** The business's clock may be ahead. */
const clockToleranceMs = 5 * 60 * 1_000;

function checkText(field: string, text: string, charactersMax: number): void {
  if (text.trim() === '') throw new ChappeError('parameterMissing', `${field} is empty`);
  if (longerThan(text, charactersMax))
    throw new ChappeError('parameterInvalid', `${field}: at most ${charactersMax} characters`);
}

const optInStates: Readonly<Record<string, OptInState>> = {
  opted_in: OptInState.OPTED_IN,
  opted_out: OptInState.OPTED_OUT,
  unconfirmed: OptInState.UNCONFIRMED,
};

function publicContact(contact: PhoneNumber, known: GetContactResponse) {
  return {
    contact: display(contact),
    reachable: known.reachable,
    optIn: optInStates[known.optIn] ?? OptInState.UNSPECIFIED,
    optInSource: known.optInSource,
    optInWording: known.optInWording,
    ...(known.optedInAtMs === 0n ? {} : { optedInAt: timestampFromMs(Number(known.optedInAtMs)) }),
    blocked: known.blocked,
    windows: known.windows.map(({ number, openUntilMs }) => ({
      number: `+${number}`,
      openUntil: timestampFromMs(Number(openUntilMs)),
    })),
    waiting: known.waiting,
    identityHeld: known.identityHeld,
  };
}
