/**
 * What a connection knows of its mailbox, and what it owes to the range worker. Pure state.
 *
 * Positions are (incarnation, number). An acknowledgement is cumulative, so only the highest is
 * kept; it is kept until the worker says `forget`, and sent again to whoever owns the range then.
 */
import { create } from '@bufbuild/protobuf';
import {
  AcknowledgeSchema,
  ResumeSchema,
  type Acknowledge,
  type Envelope,
  type Forget,
  type Resume,
  type Undecryptable,
  type Unshown,
} from '@chappe/proto/device/device_service';
import { readsKeptMax, readsPerFrameMax, undecryptableMax } from './limits.ts';

export type Taken =
  /** They continue what was handed on, from the first that is new. */
  | { readonly kind: 'taken'; readonly envelopes: readonly Envelope[] }
  /** Nothing new, or left over from before the last attach. */
  | { readonly kind: 'old' }
  /** Something between is missing: attach anew from `resume()`. */
  | { readonly kind: 'gap' };

interface Acknowledged {
  readonly incarnation: number;
  readonly through: bigint;
  readonly undecryptable: ReadonlyMap<bigint, Undecryptable>;
  readonly unshown: ReadonlyMap<bigint, Unshown>;
}

export class Uplink {
  /** The last envelope that was handed to the device, or that it said it has. */
  #incarnation: number;
  #number: bigint;
  /** Whether the present attachment has continued that position; what did not is left over. */
  #continued = false;
  #unconfirmed: Acknowledged | undefined;
  #unsent: Acknowledged | undefined;
  #readsUnsent: string[] = [];
  /** The latest that were sent: a shard that died with them unread gets them again. */
  #readsSent: string[] = [];

  constructor(resume: Resume) {
    this.#incarnation = resume.incarnation;
    this.#number = resume.number;
  }

  /** The device said anew what it has. */
  restart(resume: Resume): void {
    this.#incarnation = resume.incarnation;
    this.#number = resume.number;
    this.#continued = false;
  }

  /** Where the worker is to go on. */
  resume(): Resume {
    return create(ResumeSchema, { incarnation: this.#incarnation, number: this.#number });
  }

  /** A new attachment begins: everything that no commit has confirmed is to be sent again. */
  reattach(): void {
    this.#continued = false;
    this.#unsent = this.#unconfirmed;
    this.#readsUnsent = [...this.#readsSent, ...this.#readsUnsent];
    this.#readsSent = [];
  }

  take(incarnation: number, envelopes: readonly Envelope[]): Taken {
    // An older count can only be left over.
    if (incarnation < this.#incarnation) return { kind: 'old' };
    // Whatever came before in a newer count must not be passed over: acknowledged, it would be lost.
    let number = incarnation === this.#incarnation ? this.#number : 0n;
    const fresh = envelopes.findIndex((envelope) => envelope.number > number);
    if (fresh === -1) return { kind: 'old' };
    for (let index = fresh; index < envelopes.length; index += 1) {
      const envelope = envelopes[index];
      if (envelope === undefined || startOf(envelope) > number + 1n) return { kind: this.#continued ? 'gap' : 'old' };
      number = envelope.number;
    }
    this.#incarnation = incarnation;
    this.#number = number;
    this.#continued = true;
    return { kind: 'taken', envelopes: fresh === 0 ? envelopes : envelopes.slice(fresh) };
  }

  /** Goes back to before envelopes that were taken and then not handed on. */
  rewind(envelope: Envelope): void {
    this.#number = startOf(envelope) - 1n;
  }

  /** False: more of them unreadable or not shown than a mailbox holds. */
  acknowledge(acknowledged: Acknowledge): boolean {
    const unconfirmed = merge(this.#unconfirmed, acknowledged);
    if (unconfirmed.undecryptable.size + unconfirmed.unshown.size > undecryptableMax) return false;
    this.#unconfirmed = unconfirmed;
    this.#unsent = merge(this.#unsent, acknowledged);
    return true;
  }

  read(messageIds: readonly string[]): void {
    this.#readsUnsent.push(...messageIds);
  }

  readsWaiting(): number {
    return this.#readsUnsent.length;
  }

  /** A commit has it; the device hears the same. */
  forget({ incarnation, through }: Forget): void {
    const kept = this.#unconfirmed;
    if (kept === undefined || kept.incarnation > incarnation) return;
    if (kept.incarnation < incarnation || kept.through <= through) {
      this.#unconfirmed = undefined;
      return;
    }
    const [undecryptable, unshown] = [behind(kept.undecryptable, through), behind(kept.unshown, through)];
    this.#unconfirmed = { ...kept, undecryptable, unshown };
  }

  /** The acknowledgement that the worker has not been sent, if any. */
  takeAcknowledge(): Acknowledge | undefined {
    const unsent = this.#unsent;
    this.#unsent = undefined;
    if (unsent === undefined) return undefined;
    const { incarnation, through } = unsent;
    const [undecryptable, unshown] = [[...unsent.undecryptable.values()], [...unsent.unshown.values()]];
    return create(AcknowledgeSchema, { incarnation, through, undecryptable, unshown });
  }

  /** The next receipts for the worker; empty: none. */
  takeReads(): string[] {
    const taken = this.#readsUnsent.splice(0, readsPerFrameMax);
    if (taken.length > 0) this.#readsSent = [...this.#readsSent, ...taken].slice(-readsKeptMax);
    return taken;
  }
}

/** The first number that an envelope or gap stands for. */
function startOf(envelope: Envelope): bigint {
  return envelope.removedFrom === 0n ? envelope.number : envelope.removedFrom;
}

function merge(kept: Acknowledged | undefined, added: Acknowledge): Acknowledged {
  const undecryptable = byNumber(added.undecryptable);
  const unshown = byNumber(added.unshown);
  if (kept === undefined || kept.incarnation < added.incarnation) {
    return { incarnation: added.incarnation, through: added.through, undecryptable, unshown };
  }
  if (kept.incarnation > added.incarnation) return kept;
  return {
    incarnation: kept.incarnation,
    through: kept.through > added.through ? kept.through : added.through,
    undecryptable: joined(kept.undecryptable, undecryptable),
    unshown: joined(kept.unshown, unshown),
  };
}

function byNumber<E extends { readonly number: bigint }>(entries: readonly E[]): ReadonlyMap<bigint, E> {
  return new Map(entries.map((entry) => [entry.number, entry]));
}

function joined<E>(kept: ReadonlyMap<bigint, E>, added: ReadonlyMap<bigint, E>): ReadonlyMap<bigint, E> {
  return added.size === 0 ? kept : new Map([...kept, ...added]);
}

function behind<E>(entries: ReadonlyMap<bigint, E>, through: bigint): ReadonlyMap<bigint, E> {
  return new Map([...entries].filter(([number]) => number > through));
}
