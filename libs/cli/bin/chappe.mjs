#!/usr/bin/env node
// Starts the command under a Node that runs TypeScript: this one, or else the one that `npm ci`
// put into node_modules/.bin. Plain JavaScript that Node 18 understands.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const oldestNodeMajor = 26;

if (Number(process.versions.node.split('.')[0]) >= oldestNodeMajor) {
  await keepCompiledCode();
  await import('../src/main.ts');
} else {
  runUnder(findNode(dirname(fileURLToPath(import.meta.url))));
}

// The next start takes a third less time; a node that this command starts finds it as well.
async function keepCompiledCode() {
  const { enableCompileCache } = await import('node:module');
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../../../node_modules/.cache/node', import.meta.url));
  enableCompileCache(process.env.NODE_COMPILE_CACHE);
}

function findNode(folder) {
  const candidate = join(folder, 'node_modules', '.bin', 'node');
  if (existsSync(candidate)) return candidate;
  if (dirname(folder) !== folder) return findNode(dirname(folder));
  process.stderr.write(`chappe needs Node ${oldestNodeMajor}; this is ${process.version}. Run \`make setup\` first.\n`);
  return process.exit(3);
}

function runUnder(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  // The child decides what a signal means; this process only outlives it to pass its exit code on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
}
