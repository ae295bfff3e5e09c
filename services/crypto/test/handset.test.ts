/** The handset library against this service, over real connections; only the relay between them is scripted. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Handset, type HandsetListener } from '@chappe/handset/handset';
import { openHandsetFile } from '@chappe/handset/handset-file';
import { memoryState, type HandsetState } from '@chappe/handset/handset-state';
import { registerHandset } from '@chappe/handset/register';
import { CiphertextType } from '@chappe/proto/device/device_service';
import { PreKeyBundleSchema, type PreKeyBundle } from '@chappe/proto/device/keys';
import { Fact } from '@chappe/proto/internal/crypto_service';
import { Channel } from '@chappe/rpc/client';
import { business, contact, Harness, noon, number, only } from './crypto-harness.ts';
import { ScriptedRelay } from './scripted-relay.ts';

test('a message is stored, shown and acknowledged; its session is acknowledged; a reply comes back', async () => {
  await using world = await World.begin();
  await using phone = world.phone();
  await phone.connected;
  const first = await world.crypto.encrypt(world, undefined, ['a', 'b'], world.bundle());
  await world.relay.push(first.results, 1);
  await world.relay.until(() => world.relay.acknowledgements.length > 0 && world.relay.outbounds.length > 0);
  assert.deepEqual(phone.shown, ['a', 'b']);
  assert.equal(world.relay.acknowledgements.length, 1, 'one for the whole frame');
  assert.equal(only(world.relay.acknowledgements).through, 2n);

  const acknowledged = await world.crypto.decrypt(world, first.session, world.relay.outbounds);
  assert.deepEqual(only(acknowledged.results).facts, [Fact.SESSION_ACK]);
  const second = await world.crypto.encrypt(world, acknowledged.session, ['c']);
  assert.equal(only(second.results).type, CiphertextType.WHISPER);

  await phone.handset.reply(`+${number}`, 'STOP', { inReplyTo: 'a' });
  await phone.handset.read(['a', 'b']);
  await world.relay.until(() => world.relay.reads.length > 0);
  const replied = await world.crypto.decrypt(world, second.session, world.relay.outbounds.slice(1));
  assert.deepEqual(only(replied.results).facts, [Fact.REPLY, Fact.STOP_WORD]);
  assert.deepEqual(world.relay.reads, ['a', 'b']);
  assert.equal(await phone.handset.createLinkCode(), 'link-secret');
});

test('a reply without a session starts one with the bundle of the number', async () => {
  await using world = await World.begin();
  world.relay.bundle = (await world.crypto.client.getNumberBundle({ number })).bundle;
  await using phone = world.phone();
  await phone.connected;
  await phone.handset.reply(number, 'hello');
  await world.relay.until(() => world.relay.outbounds.length > 0);
  const { results, session } = await world.crypto.decrypt(world, undefined, world.relay.outbounds);
  assert.deepEqual(only(results).facts, [Fact.REPLY]);
  await world.relay.push((await world.crypto.encrypt(world, session, ['answer'])).results, 1);
  await world.relay.until(() => phone.shown.length > 0);
  assert.deepEqual(phone.shown, ['answer']);
});

test('NO-LOSS: what was not confirmed goes out again, byte for byte, after a reconnect and after a restart', async () => {
  await using world = await World.begin(openHandsetFile);
  world.relay.confirms = false;
  world.relay.bundle = (await world.crypto.client.getNumberBundle({ number })).bundle;
  const id = await world.run(async (phone) => {
    await phone.connected;
    const sent = await phone.handset.reply(number, 'hello');
    await world.relay.until(() => world.relay.outbounds.length === 1);
    world.relay.cutConnections();
    await world.relay.until(() => world.relay.outbounds.length === 2);
    await phone.handset.block(number, true);
    return sent;
  });
  world.relay.confirms = true;
  await world.run(async (phone) => {
    await world.relay.until(() => world.relay.outbounds.length === 3 && world.relay.blocks.length === 2);
    await phone.confirmed(2);
  });
  assert.equal(
    new Set(
      world.relay.outbounds.map((outbound) => `${outbound.id} ${Buffer.from(outbound.ciphertext).toString('hex')}`),
    ).size,
    1,
  );
  assert.equal(world.relay.outbounds[0]?.id, id);
  await world.run(async (phone) => {
    await phone.connected;
    await phone.handset.read(['x']);
    await world.relay.until(() => world.relay.reads.length > 0);
  });
  assert.equal(world.relay.outbounds.length, 3, 'nothing is sent again once it is confirmed');
});

test('NO-LOSS: a reply that is confirmed and whose outcome was not told goes out again after a while, less and less often', async (t) => {
  await using world = await World.begin(openHandsetFile);
  world.relay.bundle = (await world.crypto.client.getNumberBundle({ number })).bundle;
  world.relay.receives = false;
  await world.run(async (phone) => {
    await phone.connected;
    await phone.handset.reply(number, 'hello');
    await phone.confirmed(1);
  });
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await world.run(async (phone) => {
    await phone.connected;
    t.mock.timers.tick(5_000);
    await world.relay.until(() => world.relay.outbounds.length === 2);
    t.mock.timers.tick(9_000);
    await phone.handset.read(['y']);
    await world.relay.until(() => world.relay.reads.includes('y'));
    assert.equal(world.relay.outbounds.length, 2, 'twice as long the second time');
    world.relay.receives = true;
    t.mock.timers.tick(1_000);
    await world.relay.until(() => world.relay.outbounds.length === 3);
    await phone.received(1);
    t.mock.timers.tick(120_000);
  });
  t.mock.timers.reset();
  await world.run(async (phone) => {
    await phone.connected;
    await phone.handset.read(['x']);
    await world.relay.until(() => world.relay.reads.includes('x'));
  });
  assert.equal(new Set(world.relay.outbounds.map(({ id, attempt }) => `${id} ${attempt}`)).size, 1);
  assert.equal(world.relay.outbounds.length, 3);
});

test('a reply of which nothing was heard for 30 days is refused', async (t) => {
  await using world = await World.begin();
  world.relay.bundle = (await world.crypto.client.getNumberBundle({ number })).bundle;
  world.relay.receives = false;
  const refusals: string[] = [];
  let nowMs = noon;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const connected = Promise.withResolvers<void>();
  const listener: HandsetListener = {
    onConnected: connected.resolve,
    onRefused: (id, { reason }) => refusals.push(`${id} ${reason}`),
  };
  await using handset = new Handset({ channel: world.channel, state: world.state, listener, now: () => nowMs });
  void handset.connect();
  await connected.promise;
  const id = await handset.reply(number, 'hello');
  nowMs += 31 * 24 * 3_600_000;
  t.mock.timers.tick(5_000);
  // In its turn behind the repeat.
  await handset.read([]);
  assert.deepEqual(refusals, [`${id} expired`]);
  assert.equal(world.state.count('outbound'), 0);
});

test('BOUND: no more goes up at a time than the relay takes without an answer', async () => {
  await using world = await World.begin();
  world.relay.confirms = false;
  {
    await using offline = new Handset({ channel: world.channel, state: world.state, now: () => noon });
    for (let index = 0; index < 40; index += 1) await offline.block(number, index % 2 === 0);
  }
  await using phone = world.phone();
  await phone.connected;
  await phone.handset.read(['x']);
  await world.relay.until(() => world.relay.reads.length > 0);
  assert.equal(world.relay.blocks.length, 32);
  const ids = world.relay.blocks.map((block) => block.id);
  world.relay.confirms = true;
  await world.relay.send({ frame: { case: 'confirmed', value: { ids } } });
  await world.relay.until(() => world.relay.blocks.length === 40);
  assert.equal(new Set(world.relay.blocks.map((block) => block.id)).size, 40);
});

test('a reply that could not be read goes out under a session that was started since, and costs none', async () => {
  await using world = await World.begin();
  await using phone = world.phone();
  await phone.connected;
  const first = await world.crypto.encrypt(world, undefined, ['a'], world.bundle());
  await world.relay.push(first.results, 1);
  await world.relay.until(() => world.relay.outbounds.length === 1);
  world.relay.receives = false;
  const id = await phone.handset.reply(number, 'hello');
  await world.relay.until(() => world.relay.outbounds.length === 2);
  const second = await world.crypto.encrypt(world, undefined, ['b'], world.bundle());
  await world.relay.push(second.results, 2);
  await world.relay.until(() => world.relay.outbounds.length === 3);
  // The relay has no bundle to give.
  await world.relay.send({ frame: { case: 'outcome', value: { unreadable: [{ id, attempt: 0 }] } } });
  await world.relay.until(() => world.relay.outbounds.length === 4);
  const anew = world.relay.outbounds[3];
  assert.ok(anew?.id === id);
  const { results } = await world.crypto.decrypt(world, second.session, [anew]);
  assert.equal(only(results).messageId, id);
});

test('NO-LOSS: a reply that could not be read is encrypted anew under a session of its own, three times in all', async () => {
  await using world = await World.begin();
  const bundle = (await world.crypto.client.getNumberBundle({ number })).bundle;
  world.relay.bundle = bundle;
  await using phone = world.phone();
  await phone.connected;
  const first = await world.crypto.encrypt(world, undefined, ['a'], world.bundle());
  await world.relay.push(first.results, 1);
  await world.relay.until(() => world.relay.outbounds.length === 1);
  const { session } = await world.crypto.decrypt(world, first.session, world.relay.outbounds);

  world.relay.receives = false;
  const id = await phone.handset.reply(number, 'hello');
  const unreadable = (attempt: number) => ({
    frame: { case: 'outcome' as const, value: { unreadable: [{ id, attempt }] } },
  });
  await world.relay.until(() => world.relay.outbounds.length === 2);
  await world.relay.send(unreadable(0));
  await world.relay.send(unreadable(0));
  await world.relay.until(() => world.relay.outbounds.length === 3);
  const [, before, anew] = world.relay.outbounds;
  assert.ok(before && anew);
  assert.deepEqual([anew.id, anew.attempt], [id, 1]);
  const { results } = await world.crypto.decrypt(world, session, [anew]);
  assert.deepEqual([only(results).messageId, only(results).baseKey.length > 0], [id, true]);

  await world.relay.send(unreadable(1));
  await world.relay.until(() => world.relay.outbounds.length === 4);
  await world.relay.send(unreadable(2));
  assert.deepEqual(await phone.refused(), [`${id} undecryptable`]);
  assert.equal(world.relay.outbounds.length, 4);
});

test('ONCE: after a restart that lost the acknowledgement a message is not shown again', async () => {
  await using world = await World.begin(openHandsetFile);
  world.relay.confirms = false;
  const first = await world.crypto.encrypt(world, undefined, ['a', 'b'], world.bundle());
  await world.run(async (phone) => {
    await phone.connected;
    await world.relay.push(first.results, 1);
    await world.relay.until(() => world.relay.acknowledgements.length === 1);
    assert.deepEqual(phone.shown, ['a', 'b']);
  });
  await world.run(async (phone) => {
    await world.relay.until(() => world.relay.acknowledgements.length === 2);
    assert.deepEqual(phone.shown, []);
    assert.deepEqual(
      [...phone.handset.messages()].map(({ messageId }) => messageId),
      ['a', 'b'],
    );
  });
  assert.equal(world.relay.acknowledgements[1]?.through, 2n);
});

test('ORDER: an undecryptable envelope is reported, and what is made anew is shown in order', async () => {
  await using world = await World.begin();
  await using phone = world.phone();
  await phone.connected;
  const first = await world.crypto.encrypt(world, undefined, ['a', 'b', 'c'], world.bundle());
  const [a, b, c] = first.results;
  assert.ok(a && b && c);
  await world.relay.push([a, { ...b, ciphertext: b.ciphertext.toReversed() }, c], 1);
  await world.relay.until(() => world.relay.acknowledgements.length > 0);
  const [report] = only(world.relay.acknowledgements).undecryptable;
  assert.deepEqual([report?.number, report?.from, report?.sessionNo, report?.reason], [2n, number, 1, 'invalid']);
  assert.equal(only(world.relay.acknowledgements).through, 3n);

  const anew = await world.crypto.encrypt(world, first.session, ['b', 'c', 'd'], world.bundle());
  await world.relay.push(anew.results, 2);
  await world.relay.until(() => world.relay.acknowledgements.length > 1);
  assert.deepEqual(phone.shown, ['a', 'b', 'c', 'd']);
  assert.deepEqual(world.relay.acknowledgements[1]?.undecryptable, [], 'committed reports are not repeated');
});

test('what comes from a blocked number is taken and not shown', async () => {
  await using world = await World.begin();
  await using phone = world.phone();
  await phone.connected;
  await phone.handset.block(number, true);
  const first = await world.crypto.encrypt(world, undefined, ['a'], world.bundle());
  await world.relay.push(first.results, 1);
  await world.relay.until(() => world.relay.acknowledgements.length > 0);
  await phone.handset.block(number, false);
  await world.relay.push((await world.crypto.encrypt(world, first.session, ['b'])).results, 1);
  await world.relay.until(() => world.relay.acknowledgements.length > 1);
  assert.deepEqual(phone.shown, ['b']);
  assert.deepEqual(
    world.relay.blocks.map(({ blocked }) => blocked),
    [true, false],
  );
});

test('a refill makes as many prekeys as are asked for, and no more than an upload holds', async () => {
  await using world = await World.begin();
  await using phone = world.phone();
  await phone.connected;
  await world.relay.until(() => world.relay.resumes > 0);
  await world.relay.send({ frame: { case: 'refillPreKeys', value: { count: 3 } } });
  await world.relay.send({ frame: { case: 'refillPreKeys', value: { count: 5_000 } } });
  await world.relay.until(() => world.relay.uploads.length === 2);
  assert.deepEqual(world.relay.uploads, [3, 200]);
});

test('a number that shows another identity is not trusted until the person accepts it', async () => {
  await using world = await World.begin();
  await using phone = world.phone();
  await phone.connected;
  const other = '33700000001';
  const bundleOf = async (of: string) => (await world.crypto.client.getNumberBundle({ number: of })).bundle;
  await world.crypto.client.createNumber({ business, number: other });
  world.relay.bundle = await bundleOf(number);
  await phone.handset.reply(number, 'hello');
  world.relay.bundle = await bundleOf(other);
  world.state.delete('session', number);
  await assert.rejects(phone.handset.reply(number, 'again'), { reason: 'identityChanged' });
  await phone.handset.forgetIdentity(number);
  await phone.handset.reply(number, 'again');
});

test('a removed device stops, and an unregistered one does not begin', async () => {
  await using world = await World.begin();
  world.relay.removed = true;
  await using phone = world.phone();
  assert.equal(await phone.ended, 'removed');
  assert.throws(() => new Handset({ channel: world.channel, state: memoryState() }), { reason: 'unauthenticated' });
});

test('replies are bounded in length and in number', async () => {
  await using world = await World.begin();
  world.relay.confirms = false;
  world.relay.bundle = (await world.crypto.client.getNumberBundle({ number })).bundle;
  await using handset = new Handset({ channel: world.channel, state: world.state, now: () => noon });
  await assert.rejects(handset.reply(number, 'x'.repeat(4_097)), { reason: 'tooLong' });
  for (let index = 0; index < 256; index += 1) await handset.block(number, true);
  await assert.rejects(handset.reply(number, 'x'), { reason: 'tooManyRequests' });
});

/** Crypto, a relay, and a registered handset between restarts. */
class World implements AsyncDisposable {
  readonly crypto: Harness;
  readonly relay: ScriptedRelay;
  readonly channel: Channel;
  readonly address = { business, number, contact, device: 1 };
  state: HandsetState;
  readonly #open: () => HandsetState;

  private constructor(crypto: Harness, relay: ScriptedRelay, channel: Channel, open: () => HandsetState) {
    this.crypto = crypto;
    this.relay = relay;
    this.channel = channel;
    this.#open = open;
    this.state = open();
  }

  static async begin(open: (path: string) => HandsetState = memoryState): Promise<World> {
    const crypto = await Harness.start();
    const relay = new ScriptedRelay();
    const address = `unix:${join(crypto.folder, 'relay.sock')}`;
    await relay.start(address);
    const channel = new Channel({ address });
    const world = new World(crypto, relay, channel, () => open(join(crypto.folder, 'handset.sqlite')));
    await registerHandset({
      channel,
      number: `+${contact}`,
      proof: { code: '123456' },
      state: world.state,
      preKeyCount: 3,
      now: () => noon,
    });
    return world;
  }

  get identityKey(): Uint8Array {
    return only(this.relay.registrations).identityKey;
  }

  /** As the server hands them out: each one-time prekey once. */
  bundle(): PreKeyBundle {
    const { registrationId, identityKey, signedPreKey, lastResortKyberPreKey, preKeys } = only(
      this.relay.registrations,
    );
    const preKey = preKeys.shift();
    return create(PreKeyBundleSchema, {
      registrationId,
      device: 1,
      identityKey,
      ...(signedPreKey === undefined ? {} : { signedPreKey }),
      ...(lastResortKyberPreKey === undefined ? {} : { kyberPreKey: lastResortKyberPreKey }),
      ...(preKey === undefined ? {} : { preKey }),
    });
  }

  phone(): Phone {
    return new Phone(this.channel, this.state);
  }

  /** Runs a handset from the state as it lies on disk, and ends it. */
  async run<T>(work: (phone: Phone) => Promise<T>): Promise<T> {
    await using phone = this.phone();
    const result = await work(phone);
    await phone[Symbol.asyncDispose]();
    this.state[Symbol.dispose]();
    this.state = this.#open();
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.channel[Symbol.dispose]();
    await this.relay[Symbol.asyncDispose]();
    this.state[Symbol.dispose]();
    await this.crypto[Symbol.asyncDispose]();
  }
}

class Phone implements AsyncDisposable {
  readonly handset: Handset;
  readonly shown: string[] = [];
  readonly connected: Promise<void>;
  readonly ended: ReturnType<Handset['connect']>;
  #confirmed = 0;
  #received = 0;
  readonly #refused: string[] = [];
  #wake: () => void = () => undefined;

  constructor(channel: Channel, state: HandsetState) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connected = promise;
    const listener: HandsetListener = {
      onConnected: resolve,
      onMessage: ({ messageId }) => this.shown.push(messageId),
      onConfirmed: () => {
        this.#confirmed += 1;
        this.#wake();
      },
      onReceived: () => {
        this.#received += 1;
        this.#wake();
      },
      onRefused: (id, { reason }) => {
        this.#refused.push(`${id} ${reason}`);
        this.#wake();
      },
    };
    this.handset = new Handset({ channel, state, listener, now: () => noon, random: () => 0 });
    this.ended = this.handset.connect();
  }

  confirmed(count: number): Promise<void> {
    return this.#until(() => this.#confirmed >= count);
  }

  received(count: number): Promise<void> {
    return this.#until(() => this.#received >= count);
  }

  async refused(): Promise<string[]> {
    await this.#until(() => this.#refused.length > 0);
    return this.#refused;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handset[Symbol.asyncDispose]();
  }
}
