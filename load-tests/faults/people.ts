/**
 * The people of a fault run: two in nearly every range of the layout, each with a handset, two of them with a
 * second one. They stay for all rows; what they are shown goes to whoever watches that business number.
 */
import { Handset } from '@chappe/handset/handset';
import { memoryState } from '@chappe/handset/handset-state';
import type { HandsetState } from '@chappe/handset/handset-state';
import { registerHandset, requestCode } from '@chappe/handset/register';
import type { ShownMessage } from '@chappe/handset/shown-message';
import { Channel } from '@chappe/rpc/client';
import type { Envelope } from '@chappe/proto/device/device_service';
import { mangledChannel } from './mangled-channel.ts';
import { overheardChannel } from './overheard-channel.ts';

export interface Watcher {
  /** On a device of a person; the handset may answer. */
  onShown(contact: string, device: string, message: ShownMessage, handset: Handset): void;
  onConfirmed(device: string, id: string): void;
  onUndecryptable(device: string, reason: string): void;
  /** On the wire, from a business number; what stands for a gap is left out. */
  onEnvelope(device: string, envelope: Envelope): void;
}

export interface Phone {
  readonly contact: string;
  readonly device: string;
  readonly handset: Handset;
  readonly state: HandsetState;
}

/** One number of each is the person; where numbers are long, those that regulators keep for fiction. */
const numbers: readonly string[] = [
  '+12025550130',
  '+12025550131',
  '+13055550132',
  '+13055550133',
  '+27821234501',
  '+201001234502',
  '+31612345603',
  '+32470123404',
  '+33199000105',
  '+33199000106',
  '+33199001107',
  '+33199001108',
  '+33199002109',
  '+33199002110',
  '+33612010011',
  '+33612010012',
  '+41791234513',
  '+41791234514',
  '+442079460115',
  '+442079460116',
  '+447911123417',
  '+447911123418',
  '+46701234519',
  '+46701234520',
  '+4915112345621',
  '+4915112345622',
  '+49302312523',
  '+49302312524',
  '+819012345625',
  '+819012345626',
];

const preKeyCount = 60;
const linkedPeople = 2;
const registrationsAtATime = 4;

export const handsetCount = numbers.length + linkedPeople;

export interface PeopleOptions {
  /** Of the relays: `host:port`, several with commas between. */
  readonly relay: string;
  /** The one-time code that was sent to a number. */
  readonly codeOf: (number: string) => Promise<string>;
  /** Handsets do not know what they have shown: a broken rule, for a control. Absent: they do. */
  readonly areForgetful?: boolean;
}

export class People implements AsyncDisposable {
  readonly #channel: Channel;
  readonly #codeOf: PeopleOptions['codeOf'];
  readonly #areForgetful: boolean;
  readonly #phones: Phone[] = [];
  readonly #watchers = new Set<Watcher>();

  constructor({ relay, codeOf, areForgetful = false }: PeopleOptions) {
    this.#channel = new Channel({ address: relay });
    this.#codeOf = codeOf;
    this.#areForgetful = areForgetful;
  }

  get contacts(): readonly string[] {
    return numbers;
  }

  get phones(): readonly Phone[] {
    return this.#phones;
  }

  async gather(): Promise<void> {
    const queue = numbers.entries();
    const register = async (): Promise<void> => {
      for (const [place, number] of queue) {
        const { handset } = await this.register(number, `${number}/1`);
        if (place < linkedPeople) await this.register(number, `${number}/2`, await handset.createLinkCode());
      }
    };
    await Promise.all(Array.from({ length: registrationsAtATime }, register));
  }

  watch(watcher: Watcher): Disposable {
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => this.#watchers.delete(watcher) };
  }

  /** A new installation: new keys, nothing remembered. */
  async register(contact: string, device: string, linkCode?: string): Promise<Phone> {
    const state = this.#areForgetful ? forgetful(memoryState()) : memoryState();
    let proof: Parameters<typeof registerHandset>[0]['proof'];
    if (linkCode === undefined) {
      await requestCode(this.#channel, contact);
      proof = { code: await this.#codeOf(contact) };
    } else proof = { linkCode };
    await registerHandset({ channel: this.#channel, number: contact, state, preKeyCount, proof });
    return this.open(contact, device, state);
  }

  /** Connects with a state; the phone with that device's name before must be closed. */
  open(
    contact: string,
    device: string,
    state: HandsetState,
    mangle?: { readonly random: () => number; readonly onRepeat: () => void },
  ): Phone {
    const overheard = overheardChannel(this.#channel, (envelope) => {
      if (envelope.ciphertext.length === 0) return;
      for (const watcher of this.#watchers) watcher.onEnvelope(device, envelope);
    });
    const channel = mangle === undefined ? overheard : mangledChannel(overheard, mangle.random, mangle.onRepeat);
    const handset: Handset = new Handset({
      channel,
      state,
      listener: {
        onMessage: (message) => {
          for (const watcher of this.#watchers) watcher.onShown(contact, device, message, handset);
        },
        onConfirmed: (id) => {
          for (const watcher of this.#watchers) watcher.onConfirmed(device, id);
        },
        onUndecryptable: ({ reason }) => {
          for (const watcher of this.#watchers) watcher.onUndecryptable(device, reason);
        },
      },
    });
    void handset.connect();
    const phone = { contact, device, handset, state };
    this.#phones.push(phone);
    return phone;
  }

  /** Every handset with the state that it has; misbehaving, or as it should be. */
  async reopenAll(mangle?: { readonly random: () => number; readonly onRepeat: () => void }): Promise<void> {
    for (const phone of this.#phones.slice()) {
      await this.close(phone);
      this.open(phone.contact, phone.device, phone.state, mangle);
    }
  }

  async close(phone: Phone): Promise<void> {
    this.#phones.splice(this.#phones.indexOf(phone), 1);
    await phone.handset[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#phones.map(({ handset }) => handset[Symbol.asyncDispose]()));
    this.#channel[Symbol.dispose]();
  }
}

function forgetful(state: HandsetState): HandsetState {
  return { ...state, get: (kind, key) => (kind === 'seen' ? undefined : state.get(kind, key)) };
}
