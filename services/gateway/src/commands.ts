/**
 * Appends the commands of a business that are not messages, and remembers how far each range must
 * come to have seen them: what is asked afterwards through this gateway sees what was written
 * through it.
 */
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import { randomUUIDv7 } from 'node:crypto';
import { commandRecord } from './send-command.ts';

export type CommandKind = Parameters<typeof commandRecord>[2];

export class Commands {
  readonly #appender: CommandAppender;
  /** By range id: one entry for each range that this process ever wrote to. */
  readonly #written = new Map<string, number>();

  constructor(appender: CommandAppender) {
    this.#appender = appender;
  }

  /** @throws ChappeError `rangeUnavailable`, `overloaded` */
  async append(contact: PhoneNumber, kind: CommandKind): Promise<void> {
    // Imports come by the thousand; what is taken back with the other kinds spares the range work.
    const business = kind.case === 'optIn' ? kind.value.business : undefined;
    const record = commandRecord(contact, randomUUIDv7(), kind);
    const { rangeId, offset } = await this.#appender.append(contact, record, business);
    this.#written.set(rangeId, Math.max(this.#written.get(rangeId) ?? 0, offset + 1));
  }

  /** How many of the range's records must be done before its owner's answer is new enough. */
  minOffset(rangeId: string): bigint {
    return BigInt(this.#written.get(rangeId) ?? 0);
  }
}
