/** How codes leave: into a file that only its owner reads, or to a provider. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ConfigError } from '@chappe/config/read-env';
import { phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import { fileCodeSender, webhookCodeSender } from '../src/code-sender.ts';
import { readConfig } from '../src/config.ts';
import { refusedWith } from './harness.ts';

const number = phoneNumberFromDigits('33612345678');

async function provider(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/codes`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('the file gets a line for each code and is for its owner only', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-codes-'));
  const path = join(folder, 'codes.jsonl');
  const sender = fileCodeSender({ path });
  await sender.send(number, '000001');
  await sender.send(number, '000002');
  const lines = (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  assert.deepEqual(
    lines.map((line) => ({ ...(line as object), time: '' })),
    [
      { number: '+33612345678', code: '000001', time: '' },
      { number: '+33612345678', code: '000002', time: '' },
    ],
  );
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await assert.rejects(fileCodeSender({ path: folder }).send(number, '000003'), refusedWith('notReady'));
  await rm(folder, { recursive: true });
});

test('the provider gets each code as JSON with the token', async () => {
  const received = Promise.withResolvers<{ authorization: string | undefined; body: Record<string, unknown> }>();
  await using to = await provider((request, response) => {
    void text(request).then((body) => {
      received.resolve({
        authorization: request.headers.authorization,
        body: JSON.parse(body) as Record<string, unknown>,
      });
      response.writeHead(202).end();
    });
  });
  await webhookCodeSender({ url: to.url, token: 't-1' }).send(number, '123456');
  const { authorization, body } = await received.promise;
  assert.equal(authorization, 'Bearer t-1');
  assert.deepEqual([body['number'], body['code']], ['+33612345678', '123456']);
});

test('a provider that refuses, or does not answer in time, is not ready', async () => {
  await using refusing = await provider((_request, response) => void response.writeHead(500).end());
  await assert.rejects(webhookCodeSender({ url: refusing.url }).send(number, '1'), refusedWith('notReady', /500/));
  await using silent = await provider(() => undefined);
  await assert.rejects(
    webhookCodeSender({ url: silent.url, deadlineMs: 50 }).send(number, '1'),
    refusedWith('notReady', /does not answer/),
  );
});

test('the configuration is checked as a whole', () => {
  assert.equal(readConfig({}).CHAPPE_RELAY_CODES, 'file');
  assert.throws(() => readConfig({ CHAPPE_RELAY_CODES: 'webhook', CHAPPE_RELAY_TLS_KEY: 'key.pem' }), ConfigError);
});
