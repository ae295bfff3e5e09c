/** What an operator may get wrong or run out of: the node says what to do, and ends with 1. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { toChappeError } from '@chappe/errors/chappe-error';
import { MessageService, type SendRequestSchema } from '@chappe/proto/v1/message_service';
import { Channel } from '@chappe/rpc/client';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { dataFilesIn } from '../src/data-files.ts';
import {
  freeAddresses,
  startNodeProcess,
  tryNodeProcess,
  type FailedStart,
  type NodeEnvironment,
} from './node-process.ts';
import { allEnded, makeNote, note, optIn } from './test-node.ts';

const isRoot = process.getuid?.() === 0;

describe('a node', () => {
  let folder = '';
  let environment: NodeEnvironment = {};
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chappe-faults-'));
    const { gateway, devices } = await freeAddresses();
    environment = {
      CHAPPE_DATA: join(folder, 'data'),
      CHAPPE_GATEWAY_ADDRESS: gateway,
      CHAPPE_DEVICE_ADDRESS: devices,
    };
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function failedStart(change: NodeEnvironment, shell?: string): Promise<FailedStart> {
    const started = await tryNodeProcess({ ...environment, ...change }, shell);
    if ('exitCode' in started) return started;
    await started.kill();
    throw new Error('it started');
  }

  function saysAndEnds({ exitCode, stderr }: FailedStart, ...patterns: RegExp[]): void {
    assert.equal(exitCode, 1, stderr);
    for (const pattern of patterns) assert.match(stderr, pattern);
    // One line for a person, no stack trace.
    assert.doesNotMatch(stderr, /^\s+at /mu);
  }

  for (const variable of ['CHAPPE_GATEWAY_ADDRESS', 'CHAPPE_DEVICE_ADDRESS'] as const) {
    test(`whose port is in use says which (${variable})`, async () => {
      await using server = await listening();
      saysAndEnds(
        await failedStart({ [variable]: `127.0.0.1:${server.port}` }),
        /in use|cannot listen/iu,
        new RegExp(`${server.port}`, 'u'),
      );
    });
  }

  test('whose port for metrics is in use says which, and what to set', async () => {
    await using server = await listening();
    saysAndEnds(
      await failedStart({ CHAPPE_ADMIN_PORT: `${server.port}` }),
      /CHAPPE_ADMIN_PORT/u,
      new RegExp(`${server.port}`, 'u'),
    );
  });

  test('whose settings are wrong names all of them', async () => {
    const wrong = { CHAPPE_SHARDS: 'two', CHAPPE_ADMIN_PORT: '70000', CHAPPE_LOG_LEVEL: 'loud' };
    saysAndEnds(await failedStart(wrong), /CHAPPE_SHARDS/u, /CHAPPE_ADMIN_PORT/u, /CHAPPE_LOG_LEVEL/u);
  });

  test('whose data folder is a file says so', async () => {
    const path = join(folder, 'a-file');
    await writeFile(path, '');
    saysAndEnds(await failedStart({ CHAPPE_DATA: path }), /is a file: choose another path/u);
  });

  test('whose data folder lies where there can be none says so', async () => {
    saysAndEnds(await failedStart({ CHAPPE_DATA: '/proc/chappe' }), /cannot be (written|used)/u);
  });

  // At each of these the files that a start makes meet the end of the disk in another place.
  for (const kibibytes of [4, 32, 150]) {
    test(`whose disk is full at its first start (${kibibytes} KiB) says so`, async () => {
      const shell = `trap "" XFSZ; ulimit -f ${2 * kibibytes}; exec "$@"`;
      saysAndEnds(await failedStart({}, shell), /check the disk and its free space|the disk is full|disk I\/O/u);
    });
  }

  test('whose data folder cannot be written says so', { skip: isRoot && 'root writes everywhere' }, async () => {
    await chmod(folder, 0o500);
    saysAndEnds(await failedStart({}), /cannot be written by this user/u);
    await chmod(folder, 0o700);
  });

  test('whose data folder another node uses says which process', async () => {
    await using first = await startNodeProcess(environment);
    const { gateway, devices } = await freeAddresses();
    const second = await failedStart({ CHAPPE_GATEWAY_ADDRESS: gateway, CHAPPE_DEVICE_ADDRESS: devices });
    saysAndEnds(second, /in use by another node \(process \d+\)/u);
    assert.equal(first.stderr, '');
  });

  test('with another key file than its data needs, or none, says so and changes nothing', async () => {
    await inNode(environment, () => makeSender(environment));
    const { keyEncryptionKeys: path } = dataFilesIn(join(folder, 'data'));
    const right = await readFile(path);
    await rm(path);
    saysAndEnds(await failedStart({}), /key file .* missing/u, /Restore/u);
    const other = join(folder, 'other');
    await inNode({ ...environment, CHAPPE_DATA: other }, () => Promise.resolve());
    await writeFile(path, await readFile(dataFilesIn(other).keyEncryptionKeys), { mode: 0o600 });
    saysAndEnds(await failedStart({}), /key/u);
    await writeFile(path, 'garbage', { mode: 0o600 });
    saysAndEnds(await failedStart({}), /key file/u);
    await writeFile(path, right, { mode: 0o600 });
    await using node = await startNodeProcess(environment);
    assert.equal(node.stderr, '');
  });

  test('whose disk is full refuses with a code that passes, loses nothing that it accepted, and goes on when there is room', async () => {
    const key = await inNode(environment, () => makeSender(environment));
    // Files may grow to 4 MiB (8,192 blocks of 512 bytes): what fills the folder first are the messages.
    const full = await tryNodeProcess(environment, 'trap "" XFSZ; ulimit -f 8192; exec "$@"');
    assert.ok(!('exitCode' in full), 'stderr' in full ? full.stderr : '');
    const accepted: string[] = [];
    const refusals: unknown[] = [];
    const address = environment['CHAPPE_GATEWAY_ADDRESS'] ?? '';
    {
      await using stack = new AsyncDisposableStack();
      stack.use(full);
      // Without the client library, which would try again.
      const channel = stack.use(new Channel({ address, bearer: key }));
      for (let round = 0; refusals.length === 0; round += 1) {
        const sends = Array.from({ length: 50 }, (_, index) =>
          channel.client(MessageService).send(large(`${round} ${index}`)),
        );
        for (const answer of await Promise.allSettled(sends)) {
          if (answer.status === 'fulfilled') accepted.push(answer.value.messageId);
          else refusals.push(answer.reason);
        }
      }
    }
    for (const { code, retry } of refusals.map((refusal) => toChappeError(refusal).entry)) {
      assert.ok(code === 1023 || code === 3008, `it was refused with ${code}`);
      assert.equal(retry, 'same');
    }
    assert.ok(accepted.length > 0);
    await inNode(environment, async () => {
      using client = new ChappeClient({ address, apiKey: key });
      await allEnded(client, accepted);
    });
  });
});

/** A business whose messages each end at once: nobody has a phone. */
async function makeSender(environment: NodeEnvironment): Promise<string> {
  const address = environment['CHAPPE_GATEWAY_ADDRESS'] ?? '';
  const adminKey = (await readFile(dataFilesIn(environment['CHAPPE_DATA'] ?? '').adminKey, 'utf8')).trim();
  using admin = new AdminClient({ address, adminKey });
  const { apiKey } = await admin.businesses.create({ name: 'Air Semaphore', number: '+33123456789' });
  using client = new ChappeClient({ address, apiKey });
  await makeNote(client);
  await optIn(client, '+33612345678');
  return apiKey;
}

function large(key: string): MessageInitShape<typeof SendRequestSchema> {
  return { ...note('+33612345678', 'x'.repeat(900), key), echo: 'e'.repeat(500) };
}

/** What is done while a node runs. */
async function inNode<T>(environment: NodeEnvironment, work: () => Promise<T>): Promise<T> {
  const node = await startNodeProcess(environment);
  try {
    return await work();
  } finally {
    await node[Symbol.asyncDispose]();
  }
}

async function listening(): Promise<{ port: number } & AsyncDisposable> {
  const server: Server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}
