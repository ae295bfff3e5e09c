/** What this process has committed as each message's newest state, and event frames that say nothing else. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { messageStates, type MessageState } from '@chappe/message-state/message-state';
import { EventFrameSchema, type BusinessEvent } from '@chappe/proto/internal/events';

export class NewestStates {
  readonly #newest = new Map<string, MessageState>();

  /** Of a frame that is being committed. */
  note(frame: Uint8Array): void {
    for (const event of fromBinary(EventFrameSchema, frame).events) {
      const { state, messageId } = stateOf(event) ?? {};
      const known = messageStates.find((one) => one === state);
      if (messageId === undefined || known === undefined) continue;
      const before = this.#newest.get(messageId);
      if (before === undefined || messageStates.indexOf(known) > messageStates.indexOf(before))
        this.#newest.set(messageId, known);
    }
  }

  /** The frame as it would be if it were made only now. */
  madeAnew(frame: Uint8Array): Uint8Array {
    const { events, ...rest } = fromBinary(EventFrameSchema, frame);
    for (const event of events) {
      const value = stateOf(event);
      if (value !== undefined) value.state = this.#newest.get(value.messageId) ?? value.state;
    }
    return toBinary(EventFrameSchema, create(EventFrameSchema, { ...rest, events }));
  }
}

/** Where a process of its own is broken. */
export const newestOfProcess = new NewestStates();

function stateOf({ kind }: BusinessEvent): { messageId: string; state: string } | undefined {
  return kind.case === 'state' ? kind.value : undefined;
}
