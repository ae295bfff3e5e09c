/** What Send and SendStream share: from requests of one business to outcomes. */
import type { PriceBookWatcher } from '@chappe/rating/price-book-watcher';
import { ChappeError, toChappeError } from '@chappe/errors/chappe-error';
import type { SendRequest } from '@chappe/proto/v1/message_service';
import type { SealKey } from '@chappe/seal/seal';
import type { Business } from './businesses.ts';
import type { DataKeys } from './data-keys.ts';
import type { GatewayEvents } from './events.ts';
import { prepareSend, type PreparedSend } from './prepare-send.ts';
import type { SendBatcher } from './send-batcher.ts';
import type { TemplateFamily, Templates } from './templates.ts';

export interface SendDependencies {
  readonly templates: Templates;
  readonly dataKeys: DataKeys;
  readonly batcher: SendBatcher;
  readonly prices: PriceBookWatcher;
  readonly events: GatewayEvents;
}

/** What the messages of one frame need, looked up once. */
export interface SendMeans {
  readonly business: Business;
  readonly key: SealKey;
  readonly families: ReadonlyMap<string, TemplateFamily>;
  readonly currency: string;
}

/** @throws ChappeError `notReady`, `storeUnavailable`: reasons that pass */
export async function sendMeans(
  { templates, dataKeys, prices }: SendDependencies,
  business: Business,
  requests: readonly SendRequest[],
): Promise<SendMeans> {
  const names = new Set<string>();
  for (const { content } of requests) {
    if (content.case === 'template') names.add(content.value.name);
  }
  const [families, key] = await Promise.all([templates.families(business.id, names), dataKeys.today(business.id)]);
  return { business, key, families, currency: prices.books().currency };
}

/** The message, or why it is refused. */
export function prepared(means: SendMeans, request: SendRequest, events: GatewayEvents): PreparedSend | ChappeError {
  try {
    return prepareSend(request, means.business, means.families, means.currency);
  } catch (error) {
    if (!(error instanceof ChappeError)) events.unexpected(error, 'send');
    return toChappeError(error);
  }
}
