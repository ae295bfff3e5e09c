/** A file that is written only when it differs: kube-proxy ends when its configuration is touched, even by the same bytes. */
import { readFile, writeFile } from 'node:fs/promises';

export async function writeIfChanged(path: string, text: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before !== text) await writeFile(path, text, { mode: 0o600 });
}
