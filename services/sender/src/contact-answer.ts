/** What a business may know of a person, from the committed state. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GetContactResponseSchema } from '@chappe/proto/internal/sender_service';
import { isOpen, windowUntil } from '@chappe/rating/window';
import { noRelation, type ContactState } from './state.ts';

export function contactAnswer(
  state: ContactState | undefined,
  business: string,
  nowMs: number,
): MessageInitShape<typeof GetContactResponseSchema> {
  const relation = state?.relations.get(business) ?? noRelation;
  const waiting = [...(state?.waiting.values() ?? [])].filter((message) => message.business === business);
  const windows = Object.entries(relation.lastInboundMs).filter(([, lastInboundMs]) => isOpen(lastInboundMs, nowMs));
  // Whether a number has a device, only those learn who may write to it, as with a send.
  const mayKnow = relation.optIn === 'opted_in' || relation.optIn === 'unconfirmed' || windows.length > 0;
  return {
    reachable: mayKnow && (state?.contact.devices.length ?? 0) > 0,
    optIn: relation.optIn,
    optInSource: relation.source,
    optInWording: relation.wording,
    optedInAtMs: BigInt(relation.givenAtMs),
    blocked: relation.blocked,
    windows: windows.map(([number, lastInboundMs]) => ({ number, openUntilMs: BigInt(windowUntil(lastInboundMs)) })),
    waiting: waiting.length,
    identityHeld: relation.identityPending,
  };
}
