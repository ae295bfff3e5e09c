/** The systems' settings, kept in `settings/` as they are read, but for the places of this machine. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Everything that installations and runs write; git ignores it. */
export const dataFolder = fileURLToPath(new URL('.data', import.meta.url));

/** Writes the files one after the other to `target`, with `@name@` replaced by its value. */
export async function writeSettings(
  files: readonly string[],
  target: string,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  let text = '';
  for (const file of files) text += await readFile(new URL(`settings/${file}`, import.meta.url), 'utf8');
  for (const [name, value] of Object.entries(values)) text = text.replaceAll(`@${name}@`, value);
  await writeFile(target, text);
}
