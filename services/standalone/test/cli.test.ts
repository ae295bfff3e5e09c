/** The `chappe` command as a person types it, against a real node, from a data folder of its own. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(import.meta.resolve('@chappe/cli/main')).replace('src/main.ts', 'bin/chappe.mjs');
const dataFolder = mkdtempSync(join(tmpdir(), 'chappe-cli-'));
const contact = '+33199001001';
const running: ChildProcess[] = [];

function start(...parameters: string[]): ChildProcess {
  const child = spawn(process.execPath, [launcher, ...parameters, '--data', dataFolder], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.push(child);
  return child;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function run(...parameters: string[]): Promise<Ended> {
  const child = start(...parameters);
  const text = { out: '', err: '' };
  child.stdout?.on('data', (bytes: Buffer) => (text.out += bytes.toString()));
  child.stderr?.on('data', (bytes: Buffer) => (text.err += bytes.toString()));
  await once(child, 'close');
  return { code: child.exitCode, ...text };
}

async function json(...parameters: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await run(...parameters, '--json');
  assert.equal(code, 0, err);
  return JSON.parse(out) as Record<string, unknown>;
}

/** The JSON lines of a running command, one by one. */
function linesOf(child: ChildProcess): AsyncIterator<string> {
  assert.ok(child.stdout !== null);
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

async function nextOf(lines: AsyncIterator<string>, kind: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { value, done } = await lines.next();
    assert.ok(done !== true, `it ended before ${kind}`);
    const parsed = JSON.parse(value) as Record<string, unknown>;
    if (parsed['kind'] === kind) return parsed;
  }
}

async function up(): Promise<ChildProcess> {
  const child = start(
    'up',
    '--gateway',
    '127.0.0.1:0',
    '--devices',
    '127.0.0.1:0',
    '--admin-port',
    '0',
    '--log-level',
    'error',
  );
  const { value } = await linesOf(child).next();
  assert.match(String(value), /^businesses/);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGINT');
  await once(child, 'close');
}

let node: ChildProcess;

before(async () => {
  node = await up();
  await json('business', 'create', 'A shop', '--number', '+33199009001');
  await json('template', 'create', 'parcel', '--body', 'Hello {{name}}, it comes {{day}}.');
  await json('contact', 'opt-in', contact, '--source', 'test');
});

after(async () => {
  await end(node);
  for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(dataFolder, { recursive: true, force: true });
});

test('a message goes from `send` to `phone`, its receipts and the reply come to `events` and `message`', async () => {
  const phone = start('phone', contact, '--json');
  const heard = linesOf(phone);
  await nextOf(heard, 'connected');
  const sent = await json(
    'send',
    '--to',
    contact,
    '--template',
    'parcel',
    '--param',
    'name=Camille',
    '--param',
    'day=demain',
  );
  const shown = await nextOf(heard, 'message');
  assert.equal(shown['body'], 'Hello Camille, it comes demain.');
  assert.equal(shown['messageId'], sent['messageId']);

  const events = start('events', '--follow', '--json');
  phone.stdin?.write('Thank you\n');
  const lines = linesOf(events);
  const texts: string[] = [];
  // The reply goes through the log and the receipt does not: either may come first.
  while (!texts.includes('Thank you') || !texts.includes('MESSAGE_STATE_READ')) {
    const { value } = await lines.next();
    const event = JSON.parse(String(value)) as { received?: { text: string }; state?: { state: string } };
    texts.push(event.received?.text ?? event.state?.state ?? '');
  }
  await end(events);
  const seen = ['ACCEPTED', 'SENT', 'DELIVERED', 'READ'].map((state) => `MESSAGE_STATE_${state}`);
  assert.deepEqual(
    texts.filter((text) => seen.includes(text)),
    seen,
  );

  const { out } = await run('message', String(sent['messageId']));
  assert.match(out, /accepted[\s\S]*sent[\s\S]*delivered[\s\S]*read/);
  phone.stdin?.write('/quit\n');
  await once(phone, 'close');
  assert.equal(phone.exitCode, 0);
});

test('the same file twice sends nothing twice, and malformed rows are named by their lines', async () => {
  const file = join(dataFolder, 'rows.csv');
  writeFileSync(file, `to,name,day\n${contact},A,lundi\n${contact},B\n${contact},"C\n12,D,mardi\n${contact},E,mardi\n`);
  const first = await run('send', '--file', file, '--template', 'parcel', '--json');
  const second = await run('send', '--file', file, '--template', 'parcel', '--json');
  assert.equal(first.code, 1);
  assert.deepEqual(JSON.parse(first.out), {
    rows: 5,
    accepted: 2,
    repeated: 0,
    refused: 1,
    malformed: 2,
    complete: true,
  });
  assert.deepEqual(JSON.parse(second.out), {
    rows: 5,
    accepted: 0,
    repeated: 2,
    refused: 1,
    malformed: 2,
    complete: true,
  });
  for (const line of [3, 4, 5]) assert.match(first.err, new RegExp(`rows\\.csv:${line}: `));
});

test('what is wrong is said with its code, and the exit code tells refused, usage and unavailable apart', async () => {
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [['send', '--to', contact, '--template', 'nope'], 1, /error 2001/],
    [['send', '--to', '12', '--text', 'x'], 1, /error 1013/],
    [['send', '--to', contact, '--text', 'x'.repeat(4_097)], 1, /error 1001/],
    [['message', 'nope'], 1, /error 1006/],
    [['quote', contact, '--api-key', 'wrong'], 1, /error 190/],
    [['send'], 2, /give --to/],
    [['send', '--file', '/nowhere.csv', '--template', 'parcel'], 2, /cannot read/],
    [['quote'], 2, /missing required argument/],
    [['quote', contact, '--address', '127.0.0.1:1'], 3, /chappe up/],
  ];
  const ended = await Promise.all(cases.map(([parameters]) => run(...parameters)));
  for (const [place, [parameters, code, text]] of cases.entries()) {
    assert.equal(ended[place]?.code, code, `${parameters[0]}: ${ended[place]?.err}`);
    assert.match(ended[place]?.err ?? '', text);
  }
});

test('operators see ranges and shards, businesses prices and charges', async () => {
  const { ranges } = await json('ranges');
  const { shards } = await json('shards');
  assert.ok(Array.isArray(ranges) && ranges.length >= 4);
  assert.ok(Array.isArray(shards) && shards.length === 2);
  const screen = (await run('ranges')).out.trimEnd().split('\n');
  assert.match(screen[0] ?? '', /^ +RANGE +FROM +TO +SHARD +ZONE +STORE +EPOCH +LAG +PER SECOND +STATE$/);
  assert.match(screen.at(-1) ?? '', /^\d+ ranges on 2 shards, lag 0, \d+\.\d per second, no problems, generation 1$/);
  assert.match((await run('ranges', '--problems')).out, /^no range has a problem; generation 1$/m);
  assert.match(
    (await run('shards')).out,
    /^zone local: 2 shards, \d+ ranges, \d+\.\d of 3,000 per second, \d+ devices$/m,
  );
  const { country } = await json('quote', contact);
  assert.equal(country, 'FR');
  assert.equal((await run('ledger')).code, 0);
  assert.equal((await run('statement')).code, 0);
});

test('operators add a store, move a range there and say that it lost commits; what is wrong is refused with a reason', async () => {
  assert.match((await run('store', 'add', 'b', '--at', 'mysql://me:secret@db/chappe')).err, /leave the login out/);
  assert.match((await run('store', 'add', 'b', '--at', 'sqlite:log.sqlite')).err, /refused: .*store-second\.sqlite/);
  const added = await run('store', 'add', 'b', '--at', 'sqlite:store-b.sqlite');
  assert.match(added.err, /^store b is at sqlite:store-b\.sqlite, incarnation 1$/m);
  const moved = await run('range', 'move', 'r1', '--to-store', 'b');
  assert.deepEqual([moved.code, /: done, r\d+ are worked on/.test(moved.err)], [0, true], moved.err);
  assert.match((await run('range', 'move', 'r2', '--to-store', 'c')).err, /there is no store c/);
  assert.match((await run('range', 'move', 'r2', '--to-store', 'b', '--undo')).err, /goes neither with/);
  assert.match((await run('store', 'failover', 'b', '--to', 'sqlite:store-c.sqlite')).err, /still takes writes/);
  assert.match((await run('store', 'restored', 'b')).err, /^store b is at sqlite:store-b\.sqlite, incarnation 2$/m);
  // Its range is taken anew under the incarnation: until then it is said not to get on.
  let { out } = await run('stores');
  for (let tries = 0; tries < 20 && out.includes('do not get on'); tries += 1) ({ out } = await run('stores'));
  assert.match(out, /^ +STORE +ADDRESS +INCARNATION +RANGES +PER SECOND +STATE$/m);
  assert.match(out, /^ +b +sqlite:store-b\.sqlite +2 +1 +\d+\.\d +/m);
});

test('a second node on the same folder is refused with the reason', async () => {
  const second = await run('up', '--gateway', '127.0.0.1:0', '--devices', '127.0.0.1:0', '--admin-port', '0');
  assert.equal(second.code, 1);
  assert.match(second.err, /did not start: .*folder/);
});

test('everything survives a restart of the node', async () => {
  await end(node);
  node = await up();
  const phone = start('phone', contact, '--json');
  const heard = linesOf(phone);
  await nextOf(heard, 'connected');
  const sent = await json('send', '--to', contact, '--text', 'Still in the window.');
  for (;;) {
    const shown = await nextOf(heard, 'message');
    if (shown['messageId'] === sent['messageId']) break;
  }
  await end(phone);
});
