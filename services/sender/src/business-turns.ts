/**
 * Whose command is next: businesses take turns, and in each of them its contacts (docs/protocols.md, 3.7).
 *
 * Deficit round robin (Shreedhar, Varghese: Efficient Fair Queueing, 1995) by what a command is likely to cost. What
 * somebody waits for goes first, but never more than three times in a row while anything else waits. A contact's commands
 * keep the order of the log whatever they are: the contact stands where its first one belongs. It decides and remembers;
 * it reads no clock and does no I/O.
 */
import { bytesPerCost, costMax, urgentInARowMax } from './limits.ts';
import { Queue } from './queue.ts';
import type { ReadableCommand } from './read-commands.ts';

interface Contact {
  readonly key: string;
  /** In the order of the log. */
  readonly commands: Queue<ReadableCommand>;
}

/** A business whose turn comes, and the contacts whose first command is its own. */
interface Seat {
  readonly business: string;
  /** What it may have done before it is another's turn, in costs. */
  credit: number;
  readonly contacts: Queue<Contact>;
}

/** Where everybody stands; what is looked at ahead is done to a copy. */
interface Standing {
  readonly urgent: Round;
  readonly others: Round;
  urgentInARow: number;
}

/** How many commands of a contact were taken, and are still in its queue. */
type Taken = Map<Contact, number>;

export class BusinessTurns {
  readonly #contacts = new Map<string, Contact>();
  #standing: Standing = { urgent: new Round(), others: new Round(), urgentInARow: 0 };

  /** In the order of the log. */
  add(command: ReadableCommand): void {
    const { key } = command.record;
    const known = this.#contacts.get(key);
    if (known !== undefined) {
      known.commands.push(command);
      return;
    }
    const contact: Contact = { key, commands: new Queue([command]) };
    this.#contacts.set(key, contact);
    seat(this.#standing, contact, command);
  }

  /** Of a contact, what is done next. */
  firstOf(contact: string): ReadableCommand | undefined {
    return this.#contacts.get(contact)?.commands.first;
  }

  /** The next commands, so many at most, the first one first. Nothing is taken. */
  look(countMax: number): ReadableCommand[] {
    const { urgent, others, urgentInARow } = this.#standing;
    const standing = { urgent: urgent.copy(), others: others.copy(), urgentInARow };
    return pick(standing, countMax, new Map());
  }

  /** Takes so many of those that `look` gave, with nothing added since. */
  take(count: number): ReadableCommand[] {
    const taken: Taken = new Map();
    const commands = pick(this.#standing, count, taken);
    for (const [contact, ofContact] of taken) {
      for (let left = ofContact; left > 0; left -= 1) contact.commands.shift();
      if (contact.commands.size === 0) this.#contacts.delete(contact.key);
    }
    return commands;
  }
}

/** Of a command: who it is done for, whether somebody waits for it, and what it is likely to cost. */
export interface Demand {
  /** `''`: nobody's. */
  readonly business: string;
  readonly isUrgent: boolean;
  /** In messages of the usual size. */
  readonly cost: number;
}

export function demandOf(read: ReadableCommand): Demand {
  const cost = Math.min(costMax, 1 + Math.floor(read.record.value.length / bytesPerCost));
  if (read.kind !== 'command') return { business: '', isUrgent: false, cost };
  const { kind } = read.command;
  switch (kind.case) {
    case 'send': {
      const { business, category } = kind.value;
      return { business, isUrgent: category === 'service' || category === 'authentication', cost };
    }
    // An import may have as many of them as a campaign has messages.
    case 'optIn':
    case 'optOut':
    case 'acknowledgeIdentity':
      return { business: kind.value.business, isUrgent: false, cost };
    // What a person does, and what has an effect only if it comes before a push.
    case 'inbound':
    case 'block':
    case 'cancel':
      return { business: kind.value.business, isUrgent: true, cost };
    case 'deviceRegistered':
      return { business: '', isUrgent: true, cost };
    case 'tick':
    case undefined:
      return { business: '', isUrgent: false, cost };
  }
}

/** The businesses of one urgency, whose turn it is first. */
class Round {
  readonly #seats: Queue<Seat>;
  readonly #byBusiness: Map<string, Seat>;

  constructor(seats: Seat[] = []) {
    this.#seats = new Queue(seats);
    this.#byBusiness = new Map(seats.map((each) => [each.business, each]));
  }

  get isEmpty(): boolean {
    return this.#seats.size === 0;
  }

  add(business: string, contact: Contact): void {
    const known = this.#byBusiness.get(business);
    if (known !== undefined) {
      known.contacts.push(contact);
      return;
    }
    // As much as the others get with each turn: its first one is not in vain.
    const added: Seat = { business, credit: 1, contacts: new Queue([contact]) };
    this.#byBusiness.set(business, added);
    this.#seats.push(added);
  }

  /** Takes the contact whose turn it is out of the round. Whose credit does not reach waits for a turn more. */
  take(costOf: (contact: Contact) => number): Contact {
    for (;;) {
      const { first } = this.#seats;
      const contact = first?.contacts.first;
      if (first === undefined || contact === undefined) throw new Error('a round without contacts was asked for one');
      const cost = costOf(contact);
      if (first.credit >= cost) {
        first.credit -= cost;
        first.contacts.shift();
        return contact;
      }
      first.credit += 1;
      this.#seats.shift();
      this.#seats.push(first);
    }
  }

  /** Whoever has nothing left saves no credit. */
  leaveIfEmpty(): void {
    const { first } = this.#seats;
    if (first === undefined || first.contacts.size > 0) return;
    this.#seats.shift();
    this.#byBusiness.delete(first.business);
  }

  copy(): Round {
    return new Round(this.#seats.toArray().map((each) => ({ ...each, contacts: each.contacts.copy() })));
  }
}

function pick(standing: Standing, countMax: number, taken: Taken): ReadableCommand[] {
  const commands: ReadableCommand[] = [];
  while (commands.length < countMax) {
    const round = nextRound(standing);
    if (round === undefined) break;
    const contact = round.take((each) => demandOf(firstOf(each, taken)).cost);
    commands.push(firstOf(contact, taken));
    const count = (taken.get(contact) ?? 0) + 1;
    taken.set(contact, count);
    const next = contact.commands.at(count);
    if (next !== undefined) seat(standing, contact, next);
    round.leaveIfEmpty();
  }
  return commands;
}

function nextRound(standing: Standing): Round | undefined {
  const { urgent, others } = standing;
  if (!urgent.isEmpty && (others.isEmpty || standing.urgentInARow < urgentInARowMax)) {
    standing.urgentInARow += 1;
    return urgent;
  }
  standing.urgentInARow = 0;
  return others.isEmpty ? undefined : others;
}

function firstOf(contact: Contact, taken: Taken): ReadableCommand {
  const command = contact.commands.at(taken.get(contact) ?? 0);
  if (command === undefined) throw new Error('a contact without commands stands in a round');
  return command;
}

function seat({ urgent, others }: Standing, contact: Contact, command: ReadableCommand): void {
  const { business, isUrgent } = demandOf(command);
  (isUrgent ? urgent : others).add(business, contact);
}
