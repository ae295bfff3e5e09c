/** How Node is started for each process of the local cluster; docs/cluster.md advises the same. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Of V8, before the program. The heap may double from one collection to the next, so that a process of
 * 40 MB in use is not marked anew several times a second, and has a bound; the young generation is
 * large enough for what a batch needs to be gone before it is copied.
 */
const heapArguments = ['--max-old-space-size=256', '--max-semi-space-size=16', '--heap-growing-percent=100'];

/** @param more of Node, before the program */
export function serviceArguments(service: string, more: readonly string[] = []): string[] {
  return [...heapArguments, ...more, fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url))];
}

/**
 * jemalloc, where this machine has it (Debian's libjemalloc2): libsignal takes and frees many pieces of
 * some kB, for which glibc's allocator needs a quarter of the time that the encrypting takes.
 */
export const allocatorEnvironment = makeAllocatorEnvironment();

function makeAllocatorEnvironment(): Readonly<Record<string, string>> {
  // Otherwise glibc keeps an arena for each thread.
  const arenas = { MALLOC_ARENA_MAX: '2' };
  const path = jemallocPath();
  return path === undefined ? arenas : { ...arenas, LD_PRELOAD: path, MALLOC_CONF: 'narenas:2,dirty_decay_ms:1000' };
}

/** From the loader's own list of libraries; undefined: it is not there. */
function jemallocPath(): string | undefined {
  try {
    const known = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return /libjemalloc\.so\.2 .* => (\S+)$/m.exec(known)?.[1];
  } catch {
    return undefined;
  }
}
