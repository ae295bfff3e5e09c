/**
 * Everything about a message that needs no state of its contact: checks it, chooses and fills its
 * template, and gives what goes into the command. Pure.
 */
import { create } from '@bufbuild/protobuf';
import { encodeMessage } from '@chappe/codec/codec';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { ChappeError } from '@chappe/errors/chappe-error';
import { parsePhoneNumber, type PhoneNumber } from '@chappe/numbers/phone-number';
import { MessageSchema } from '@chappe/proto/device/content';
import type { SendRequest, TemplateContent } from '@chappe/proto/v1/message_service';
import { hash } from 'node:crypto';
import type { Business } from './businesses.ts';
import { echoCharactersMax, keyCharactersMax, textCharactersMax, ttlMaxMs, ttlMinMs } from './limits.ts';
import { chooseLanguage, fillTemplate, longerThan, type ParsedTemplate } from './template-text.ts';
import type { TemplateFamily } from './templates.ts';

/** What is known of a request before its content is looked at. */
export interface Addressed {
  readonly contact: PhoneNumber;
  /** The business number. */
  readonly number: PhoneNumber;
  /** ISO 3166-1 alpha-2, of the contact. */
  readonly country: string;
  /** `''`: not idempotent. */
  readonly idempotencyKey: string;
  /** SHA-256 over sender, contact and content: what the same idempotency key must repeat. */
  readonly digest: Buffer;
}

export interface PreparedSend extends Addressed {
  readonly category: ParsedTemplate['category'] | 'service';
  /** A device Message, open. */
  readonly body: Uint8Array;
  readonly ttlMs: number;
  readonly maxPriceMicros: bigint | undefined;
  readonly echo: string;
}

/**
 * @param families the templates by name, those of the request at least
 * @param currency of the price list
 * @throws ChappeError what is wrong with the request
 */
export function prepareSend(
  request: SendRequest,
  business: Business,
  families: ReadonlyMap<string, TemplateFamily>,
  currency: string,
): PreparedSend {
  const addressed = addressOf(request, business);
  if (longerThan(request.echo, echoCharactersMax)) {
    throw new ChappeError('parameterInvalid', `echo: at most ${echoCharactersMax} characters`);
  }
  return {
    ...addressed,
    ...contentOf(request, business, families),
    ttlMs: ttlOf(request),
    maxPriceMicros: maxPriceOf(request, currency),
    echo: request.echo,
  };
}

/** @throws ChappeError what is wrong with sender, contact or key */
export function addressOf(request: SendRequest, business: Business): Addressed {
  const { to, idempotencyKey } = request;
  if (to === '') throw new ChappeError('parameterMissing', 'to is empty');
  const { number: contact, country } = parsePhoneNumber(to);
  const number = senderOf(request.from, business);
  if (contact === number) throw new ChappeError('sendToSelf', 'to: it is the number that the message comes from');
  if (idempotencyKey.length > keyCharactersMax) {
    throw new ChappeError('parameterInvalid', `idempotency_key: at most ${keyCharactersMax} characters`);
  }
  return { contact, number, country, idempotencyKey, digest: digestOf(number, contact, request) };
}

function senderOf(from: string, business: Business): PhoneNumber {
  const [first] = business.numbers;
  if (first === undefined) throw new ChappeError('notReady', 'the business has no number yet');
  if (from === '') return first;
  const { number } = parsePhoneNumber(from);
  if (business.numbers.includes(number)) return number;
  throw new ChappeError('notFound', "from: not one of this business's numbers");
}

function contentOf(
  request: SendRequest,
  business: Business,
  families: ReadonlyMap<string, TemplateFamily>,
): Pick<PreparedSend, 'body' | 'category'> {
  const { content } = request;
  switch (content.case) {
    case undefined:
      throw new ChappeError('parameterMissing', 'content: give either template or text');
    case 'text': {
      const { text } = content.value;
      if (text === '') throw new ChappeError('parameterMissing', 'text is empty');
      if (longerThan(text, textCharactersMax)) {
        throw new ChappeError('tooLong', `text has more than ${textCharactersMax} characters`);
      }
      return { body: encodeMessage(MessageSchema, { body: text }), category: 'service' };
    }
    case 'template': {
      const template = templateOf(content.value, business, families);
      const filled = fillTemplate(template, content.value.parameters);
      const message = create(MessageSchema, { ...filled, language: template.language, template: template.name });
      return { body: encodeMessage(MessageSchema, message), category: template.category };
    }
  }
}

function templateOf(
  content: TemplateContent,
  business: Business,
  families: ReadonlyMap<string, TemplateFamily>,
): ParsedTemplate {
  const { name, language, languageFallback } = content;
  if (name === '') throw new ChappeError('parameterMissing', 'template.name is empty');
  const family = families.get(name);
  const shown = name.slice(0, 64);
  if (family === undefined || family.size === 0) throw new ChappeError('templateMissing', `no template ${shown}`);
  const template = chooseLanguage(family, language, languageFallback, business.settings.defaultLanguage);
  if (template !== undefined) return template;
  const has = [...family.keys()].slice(0, 20).join(', ');
  throw new ChappeError(
    'templateMissing',
    `template ${shown} is not there in ${language.slice(0, 35)}; it has: ${has}`,
  );
}

function ttlOf(request: SendRequest): number {
  if (request.ttl === undefined) return ttlMaxMs;
  const ttlMs = durationMs(request.ttl);
  if (ttlMs >= ttlMinMs && ttlMs <= ttlMaxMs) return Math.round(ttlMs);
  throw new ChappeError('parameterInvalid', 'ttl: 30 seconds to 30 days');
}

function maxPriceOf({ maxPrice }: SendRequest, currency: string): bigint | undefined {
  if (maxPrice === undefined) return undefined;
  if (maxPrice.currency !== currency) throw new ChappeError('parameterInvalid', `max_price: prices are in ${currency}`);
  if (maxPrice.micros < 0n) throw new ChappeError('parameterInvalid', 'max_price: it is negative');
  return maxPrice.micros;
}

/** Parameters are sorted: a map has no order. */
function digestOf(number: PhoneNumber, contact: PhoneNumber, { content }: SendRequest): Buffer {
  const said =
    content.case === 'template'
      ? [
          content.value.name,
          content.value.language,
          content.value.languageFallback,
          Object.entries(content.value.parameters).toSorted(([a], [b]) => (a < b ? -1 : 1)),
        ]
      : [content.value?.text];
  return hash('sha256', JSON.stringify([number, contact, content.case, ...said]), 'buffer');
}
