/** The envelopes in a node's store. The file is read as a copy, so that the node may go on beside it. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { dataFilesIn } from '../src/data-files.ts';

export interface StoredEnvelope {
  readonly contact: string;
  readonly device: number;
  readonly messageId: string;
  readonly type: number;
  readonly ciphertext: Uint8Array;
}

/** Those that wait; removed ones, of which only the number is left, are not among them. */
export async function storedEnvelopes(dataFolder: string): Promise<StoredEnvelope[]> {
  const copied = await mkdtemp(join(tmpdir(), 'chappe-copy-'));
  try {
    const { store: path } = dataFilesIn(dataFolder);
    for (const suffix of ['', '-wal']) await copyFile(path + suffix, join(copied, `store.sqlite${suffix}`));
    await using store = await openSqliteStore({ path: join(copied, 'store.sqlite') });
    const rows = await store.query('SELECT contact, device, message_id, type, ciphertext FROM envelopes');
    return rows.flatMap((row) => {
      const ciphertext = row['ciphertext'];
      if (!(ciphertext instanceof Uint8Array)) return [];
      return [
        {
          contact: String(row['contact']),
          device: Number(row['device']),
          messageId: String(row['message_id']),
          type: Number(row['type']),
          ciphertext,
        },
      ];
    });
  } finally {
    await rm(copied, { recursive: true, force: true });
  }
}
