/** kubectl and helm on the lab's cluster. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { tool } from '../test/tools.ts';
import { kubernetesPrograms } from './kubernetes-programs.ts';
import { kubeconfig } from './layout.ts';

const pollMs = 250;

/** @param input what it reads. @throws Error with what it said */
export async function kubectl(args: readonly string[], input = ''): Promise<string> {
  return await runOnLab(join(await kubernetesPrograms(), 'kubectl'), args, input);
}

/** @throws Error with what it said */
export async function helm(args: readonly string[]): Promise<string> {
  return await runOnLab(await tool('helm'), args, '');
}

/** @param objects as in a manifest */
export async function apply(objects: readonly object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(list));
}

/** @throws Error naming it, with what was wrong last, when it has not come true in time */
export async function until(what: string, timeoutMs: number, isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    const found = await isTrue().catch((error: unknown) => {
      last = error;
      return false;
    });
    if (found) return;
    if (performance.now() > deadline) throw new Error(`${what}: not after ${timeoutMs / 1_000} s`, { cause: last });
    await pause(pollMs);
  }
}

function runOnLab(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, KUBECONFIG: kubeconfig } });
    let [said, complained] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complained += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(said);
      else reject(new Error(`${args.slice(0, 3).join(' ')} ended with ${String(code)}:\n${complained}${said}`.trim()));
    });
    // A command that ends without reading its input is told apart by its code.
    child.stdin.once('error', () => undefined).end(input);
  });
}
