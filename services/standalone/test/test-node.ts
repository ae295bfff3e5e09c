/** A real standalone node for a test, in a folder of its own, with clients and handsets. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { Handset, type HandsetListener } from '@chappe/handset/handset';
import { memoryState, recordKinds, type HandsetState } from '@chappe/handset/handset-state';
import { registerHandset, requestCode } from '@chappe/handset/register';
import type { ShownMessage } from '@chappe/handset/shown-message';
import { toChappeError } from '@chappe/errors/chappe-error';
import type { LedgerEntry } from '@chappe/proto/v1/billing_service';
import { MessageState, type Event } from '@chappe/proto/v1/event';
import { Category } from '@chappe/proto/v1/template_service';
import { Channel } from '@chappe/rpc/client';
import { openTelemetry, type Telemetry } from '@chappe/telemetry/telemetry';
import { startStandalone, type Standalone } from '../src/standalone.ts';

/** What a handset needs of a node, wherever that runs. */
export interface PhoneNode {
  readonly devices: Channel;
  readonly registrationCodesFile: string;
}

export interface TestNode extends PhoneNode, AsyncDisposable {
  readonly node: Standalone;
  readonly folder: string;
  readonly admin: AdminClient;
  /** Ends the node and starts another one on the same folder and ports; clients find it by themselves. */
  restart(): Promise<void>;
}

export interface TestNodeOptions {
  readonly now?: () => number;
  readonly tickIntervalMs?: number;
  readonly telemetry?: () => Telemetry;
}

const quietTelemetry = (): Telemetry =>
  openTelemetry({ service: 'test', level: process.env['CHAPPE_LOG_LEVEL'] ?? 'error' });

/** @param folder stays when the node ends; absent: a folder of its own, which goes with it */
export async function startTestNode(folder?: string, options: TestNodeOptions = {}): Promise<TestNode> {
  const { telemetry = quietTelemetry, ...clocks } = options;
  const dataFolder = folder ?? (await mkdtemp(join(tmpdir(), 'chappe-test-')));
  const start = (addresses: { gatewayAddress: string; deviceAddress: string }): Promise<Standalone> =>
    startStandalone({
      ...addresses,
      ...clocks,
      dataFolder,
      initialBounds: ['3', '4', '5'],
      shards: 2,
      ratePerSecond: 100_000,
      telemetry: telemetry(),
    });
  let node = await start({ gatewayAddress: '127.0.0.1:0', deviceAddress: '127.0.0.1:0' });
  const { gatewayAddress, deviceAddress } = node;
  const admin = new AdminClient({ address: gatewayAddress, adminKey: node.adminKey });
  const devices = new Channel({ address: deviceAddress });
  return {
    get node() {
      return node;
    },
    folder: dataFolder,
    admin,
    devices,
    registrationCodesFile: node.registrationCodesFile,
    restart: async () => {
      await node[Symbol.asyncDispose]();
      node = await start({ gatewayAddress, deviceAddress });
    },
    [Symbol.asyncDispose]: async () => {
      admin[Symbol.dispose]();
      devices[Symbol.dispose]();
      await node[Symbol.asyncDispose]();
      if (folder === undefined) await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

/** A business with one number, and its client. */
export async function makeBusiness(
  { node, admin }: TestNode,
  name: string,
  number: string,
  settings = {},
): Promise<{ id: string; client: ChappeClient; apiKey: string }> {
  const { business, apiKey } = await admin.businesses.create({ name, number, settings });
  return { id: business?.id ?? '', apiKey, client: new ChappeClient({ address: node.gatewayAddress, apiKey }) };
}

export interface TestPhone extends AsyncDisposable {
  readonly handset: Handset;
  readonly state: HandsetState;
  readonly shown: ShownMessage[];
  /** Resolves when so many messages were shown. */
  showed(count: number): Promise<ShownMessage[]>;
}

export interface PhoneOptions {
  readonly listener?: HandsetListener;
  /** False: the handset stays offline until the test connects it. */
  readonly connect?: boolean;
  readonly now?: () => number;
}

/** Registers a number with a one-time code (or a link code) and connects. */
export async function startPhone(
  test: PhoneNode,
  number: string,
  options: PhoneOptions & { linkCode?: string; preKeyCount?: number; state?: HandsetState } = {},
): Promise<TestPhone> {
  const { state = memoryState(), preKeyCount = 20 } = options;
  const proof = options.linkCode === undefined ? { code: await codeFor(test, number) } : { linkCode: options.linkCode };
  const clock = options.now === undefined ? {} : { now: options.now };
  await registerHandset({ channel: test.devices, number, proof, state, preKeyCount, ...clock });
  return openPhone(test, state, options);
}

/** A handset over a state that is registered already. */
export function openPhone(
  test: Pick<PhoneNode, 'devices'>,
  state: HandsetState,
  options: PhoneOptions = {},
): TestPhone {
  const shown: ShownMessage[] = [];
  let changed = Promise.withResolvers<void>();
  const handset = new Handset({
    channel: test.devices,
    state,
    ...(options.now === undefined ? {} : { now: options.now }),
    listener: {
      ...options.listener,
      onMessage: (message) => {
        shown.push(message);
        options.listener?.onMessage?.(message);
        changed.resolve();
        changed = Promise.withResolvers<void>();
      },
    },
  });
  if (options.connect !== false) void handset.connect();
  return {
    handset,
    state,
    shown,
    showed: async (count) => {
      while (shown.length < count) await changed.promise;
      return shown;
    },
    [Symbol.asyncDispose]: () => handset[Symbol.asyncDispose](),
  };
}

async function codeFor({ devices, registrationCodesFile }: PhoneNode, number: string): Promise<string> {
  await requestCode(devices, number);
  const lines = (await readFile(registrationCodesFile, 'utf8')).trim().split('\n');
  const digits = number.replace('+', '');
  const codes = lines.map((line) => JSON.parse(line) as { number: string; code: string });
  const code = codes.findLast((entry) => entry.number.replace('+', '') === digits)?.code;
  if (code === undefined) throw new Error('no code was sent');
  return code;
}

export async function optIn(client: ChappeClient, ...contacts: string[]): Promise<void> {
  const optIns = contacts.map((contact) => ({ contact, source: 'test', wording: 'send me messages' }));
  const { results } = await client.contacts.optIn({ optIns });
  for (const { error } of results) if (error !== undefined) throw new Error(error.detail);
}

/** The events of a business until one satisfies the condition. */
export async function eventsUntil(client: ChappeClient, isLast: (event: Event) => boolean): Promise<Event[]> {
  const events: Event[] = [];
  const abort = new AbortController();
  for await (const event of client.subscribe({ signal: abort.signal })) {
    events.push(event);
    if (isLast(event)) break;
  }
  abort.abort();
  return events;
}

/** A utility template `note` whose text is a parameter. */
export async function makeNote(client: ChappeClient, category = Category.UTILITY): Promise<void> {
  await client.templates.create({ template: { name: 'note', language: 'en', category, body: '{{text}}' } });
}

/** A message by the template `note`. */
export function note(to: string, text: string, idempotencyKey = '') {
  const value = { name: 'note', language: 'en', parameters: { text } };
  return { to, idempotencyKey, content: { case: 'template' as const, value } };
}

export function freeText(to: string, text: string) {
  return { to, content: { case: 'text' as const, value: { text } } };
}

const endings: ReadonlySet<MessageState> = new Set([
  MessageState.DELIVERED,
  MessageState.READ,
  MessageState.FAILED,
  MessageState.EXPIRED,
  MessageState.CANCELLED,
]);

/** Resolves when a message has reached a state, or any that ends its waiting: the event that says so. */
export async function reached(
  client: ChappeClient,
  messageId: string,
  state?: MessageState,
): Promise<{ state: MessageState; code: number; event: Event }> {
  const isIt = ({ kind }: Event): boolean =>
    kind.case === 'state' &&
    kind.value.messageId === messageId &&
    (state === undefined ? endings.has(kind.value.state) : kind.value.state === state);
  const event = (await eventsUntil(client, isIt)).at(-1);
  if (event?.kind.case !== 'state') throw new Error('the events ended');
  return { state: event.kind.value.state, code: event.kind.value.error?.code ?? 0, event };
}

/** Resolves when all of these messages have ended waiting. */
export async function allEnded(client: ChappeClient, messageIds: readonly string[]): Promise<void> {
  const waiting = new Set(messageIds);
  if (waiting.size === 0) return;
  await eventsUntil(client, ({ kind }) => {
    if (kind.case === 'state' && endings.has(kind.value.state)) waiting.delete(kind.value.messageId);
    return waiting.size === 0;
  });
}

/** The states that events told of a message, in their order. */
export function statesOf(events: readonly Event[], messageId: string): MessageState[] {
  return events.flatMap(({ kind }) =>
    kind.case === 'state' && kind.value.messageId === messageId ? [kind.value.state] : [],
  );
}

/** Everything that a business can see now. */
export async function allEvents(client: ChappeClient): Promise<Event[]> {
  return Array.fromAsync(client.subscribe({ untilNow: true }));
}

/** Why a call was refused; fails if it was not. */
export async function refusalOf(call: Promise<unknown>): Promise<{ code: number; title: string; detail: string }> {
  try {
    await call;
  } catch (error) {
    const { entry, message } = toChappeError(error);
    return { code: entry.code, title: entry.title, detail: message };
  }
  throw new Error('it was not refused');
}

/** The ledger once it has so many entries. */
export async function ledgerOf(client: ChappeClient, count: number): Promise<LedgerEntry[]> {
  for (;;) {
    const { entries } = await client.billing.listLedger({ limit: 1_000 });
    if (entries.length >= count) return entries;
    await sleep(20);
  }
}

/** A state as it is now: what a person's backup would hold. */
export function copyOf(state: HandsetState): HandsetState {
  const copy = memoryState();
  for (const kind of recordKinds) {
    for (const key of state.keys(kind)) copy.put(kind, key, Uint8Array.from(state.get(kind, key) ?? []));
  }
  return copy;
}
