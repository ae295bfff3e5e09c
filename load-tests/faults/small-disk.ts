/**
 * A server's folder on a small disk of its own (tmpfs), which can be filled to the last byte. The run has a
 * mount namespace: nobody else sees the disk, and it goes with the run however that ends.
 */
import { mkdir, open, rename, rm, rmdir } from 'node:fs/promises';
import { runCommand } from '../stack/process-record.ts';

export interface SmallDisk {
  /** Until nothing can be written any more. */
  fill(): Promise<void>;
  /** Gives back what `fill` took. */
  empty(): Promise<void>;
  /** Puts the folder back on the usual disk. Whoever writes there must have ended. */
  remove(): Promise<void>;
}

const mebibyte = 1024 * 1024;
/** From big to small, so that the last block is taken as well. */
const chunks = [mebibyte, 4 * 1024, 1];

/**
 * Moves a folder; whoever writes there must have ended.
 *
 * @param spareBytes what the disk has room for beyond the folder's files
 * @param holes whether holes in files stay holes: room that was reserved for a file is its own only without them
 */
export async function moveToSmallDisk(
  folder: string,
  spareBytes: number,
  holes: 'kept' | 'filled',
): Promise<SmallDisk> {
  const kept = `${folder}.kept`;
  const filler = `${folder}/filler`;
  await rm(kept, { recursive: true, force: true });
  await rename(folder, kept);
  await mkdir(folder);
  const sizes = holes === 'filled' ? ['--apparent-size'] : [];
  const bytes = Number((await runCommand('du', ['-s', '--block-size=1', ...sizes, kept])).split('\t')[0]);
  await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${bytes + spareBytes}`, 'tmpfs', folder]);
  await runCommand('cp', ['-a', `--sparse=${holes === 'filled' ? 'never' : 'auto'}`, `${kept}/.`, folder]);
  return {
    fill: () => writeUntilFull(filler),
    empty: () => rm(filler, { force: true }),
    remove: async () => {
      await rm(filler, { force: true });
      await rm(kept, { recursive: true });
      await runCommand('cp', ['-a', folder, kept]);
      await runCommand('umount', [folder]);
      await rmdir(folder);
      await rename(kept, folder);
    },
  };
}

async function writeUntilFull(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const size of chunks) {
      const bytes = Buffer.alloc(size);
      for (;;) {
        try {
          const { bytesWritten } = await file.write(bytes);
          if (bytesWritten < size) break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') break;
          throw error;
        }
      }
    }
  } finally {
    await file.close();
  }
}
