import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('small-service.ts', import.meta.url));

function start(environment: Record<string, string>, ...options: string[]) {
  const child = spawn(process.execPath, [main, ...options], { env: { ...process.env, ...environment } });
  const ended = once(child, 'exit').then(([code]: unknown[]) => code);
  return { child, ended, said: createInterface(child.stdout), problems: createInterface(child.stderr) };
}

test('a process waits for the servers that it needs, is ready, and ends in order when it is asked to', async () => {
  const { child, ended, said, problems } = start({ SMALL_FAILURES: '2' });
  const warnings: string[] = [];
  problems.on('line', (line) => warnings.push(line));
  const lines: string[] = [];
  for await (const line of said) {
    lines.push(line);
    if (!line.startsWith('{')) continue;
    const ready = JSON.parse(line) as { ready: boolean; address: string; admin: string };
    assert.deepEqual([ready.ready, ready.address], [true, '127.0.0.1:1']);
    assert.equal((await fetch(`http://${ready.admin}/readyz`)).status, 200);
    assert.match(await (await fetch(`http://${ready.admin}/metrics`)).text(), /process_cpu/);
    child.kill('SIGTERM');
  }
  assert.equal(await ended, 0);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('{')),
    ['closed what start 1 had opened', 'closed what start 2 had opened', 'drained', 'closed what start 3 had opened'],
  );
  assert.ok(warnings.some((line) => line.includes('mysql://db:3306/chappe does not answer')));
});

test('a process that waits for a server says so and can be stopped', async () => {
  const { child, ended, problems } = start({ SMALL_FAILURES: '1000' });
  for await (const line of problems) if (line.includes('start_failed')) child.kill('SIGTERM');
  assert.equal(await ended, 0);
});

test('a configuration is checked without starting anything', async () => {
  assert.equal(await start({}, '--check-config').ended, 0);
  const wrong = start({ CHAPPE_ADMIN_PORT: '70000', CHAPPE_LOG_LEVEL: 'loud' }, '--check-config');
  const lines: string[] = [];
  for await (const line of wrong.problems) lines.push(line);
  assert.equal(await wrong.ended, 1);
  assert.match(lines.join('\n'), /CHAPPE_ADMIN_PORT[^]*CHAPPE_LOG_LEVEL/);
});
