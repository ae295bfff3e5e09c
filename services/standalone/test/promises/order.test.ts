import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Tally } from '../../../../load-tests/checker/tally.ts';
import {
  allEnded,
  makeBusiness,
  makeNote,
  note,
  openPhone,
  optIn,
  startPhone,
  startTestNode,
  type TestNode,
  type TestPhone,
} from '../test-node.ts';

const people = ['+12015510001', '+33612010002', '+447911110003', '+819012310004'];
const number = '+33123456789';

describe('ORDER', () => {
  test('ORDER: messages by stream and by single calls come in order to both devices of each person, while phones come and go', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', number);
    await makeNote(client);
    await optIn(client, ...people);
    const tally = new Tally();
    const devices: Device[] = [];
    for (const person of people) {
      const first = await Device.register(node, tally, person, `${person}/1`);
      const linkCode = await first.phone.handset.createLinkCode();
      devices.push(first, await Device.register(node, tally, person, `${person}/2`, linkCode));
    }

    await using stream = client.openSendStream();
    const ids: string[] = [];
    let count = 0;
    const submit = async (to: string, how: 'stream' | 'single'): Promise<void> => {
      const key = `key-${count}`;
      count += 1;
      tally.noteSubmitted({ key, contact: to, number });
      const { messageId } = await (how === 'stream' ? stream : client).send(note(to, key, key));
      tally.noteAccepted(key, messageId);
      ids.push(messageId);
    };
    for (let round = 0; round < 12; round += 1) {
      const device = devices[round % devices.length];
      await device?.reconnect();
      // All at once on one stream, and then, after the answers, one by one.
      await Promise.all(
        Array.from({ length: 40 }, (_, index) => submit(people[index % people.length] ?? '', 'stream')),
      );
      for (const person of people) await submit(person, 'single');
      if (round === 6) await node.restart();
    }
    await allEnded(client, ids);
    for (const device of devices) await device.shows(ids.length / people.length);
    for (const device of devices) await device.phone[Symbol.asyncDispose]();

    const misplaced = tally.problems().filter((problem) => /^(ORDER|ONCE: .* shown|TENANT)/u.test(problem));
    assert.deepEqual(misplaced, []);
  });
});

/** One device, over all its connections. */
class Device {
  phone: TestPhone;
  #count = 0;
  #more = Promise.withResolvers<void>();
  readonly #node: TestNode;
  readonly #listener: { onMessage: (message: { messageId: string; from: string }) => void };

  private constructor(
    node: TestNode,
    tally: Tally,
    person: string,
    name: string,
    phone: (device: Device) => TestPhone,
  ) {
    this.#node = node;
    this.#listener = {
      onMessage: ({ messageId, from }) => {
        tally.noteShown(person, name, `+${from}`, messageId);
        this.#count += 1;
        this.#more.resolve();
        this.#more = Promise.withResolvers();
      },
    };
    this.phone = phone(this);
  }

  static async register(
    node: TestNode,
    tally: Tally,
    person: string,
    name: string,
    linkCode?: string,
  ): Promise<Device> {
    const { state } = await startPhone(node, person, {
      connect: false,
      ...(linkCode === undefined ? {} : { linkCode }),
    });
    return new Device(node, tally, person, name, (device) => openPhone(node, state, { listener: device.#listener }));
  }

  /** In the middle of whatever comes. */
  async reconnect(): Promise<void> {
    const { state } = this.phone;
    await this.phone[Symbol.asyncDispose]();
    this.phone = openPhone(this.#node, state, { listener: this.#listener });
  }

  async shows(count: number): Promise<void> {
    while (this.#count < count) await this.#more.promise;
  }
}
