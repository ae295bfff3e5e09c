/**
 * `<data>/cli.json`: what `chappe` remembers between calls: where the node of this folder listens,
 * and the API keys of the businesses that were created here. Readable by its owner only.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from './failure.ts';

export interface KnownBusiness {
  readonly id: string;
  readonly name: string;
  /** E.164 with `+`. */
  readonly number: string;
  readonly apiKey: string;
}

export interface NodeAddresses {
  readonly gateway: string;
  readonly devices: string;
}

export interface LocalSettings {
  readonly node?: NodeAddresses;
  /** The last is the current one. */
  readonly businesses: readonly KnownBusiness[];
}

export function readLocalSettings(dataFolder: string): LocalSettings {
  const path = join(dataFolder, 'cli.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { businesses: [] };
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : 'unknown'}`, {
      cause: error,
    });
  }
  try {
    const settings = JSON.parse(text) as Partial<LocalSettings>;
    return { ...settings, businesses: settings.businesses ?? [] };
  } catch (error) {
    throw new UsageError(`${path} is damaged; move it away and give --api-key`, { cause: error });
  }
}

export function writeLocalSettings(dataFolder: string, settings: LocalSettings): void {
  const path = join(dataFolder, 'cli.json');
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, `${JSON.stringify(settings, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${error instanceof Error ? error.message : 'unknown'}`, {
      cause: error,
    });
  }
}

/** By id, name or number; without `wanted` the one that was created last. */
export function findBusiness(settings: LocalSettings, wanted: string | undefined): KnownBusiness | undefined {
  if (wanted === undefined) return settings.businesses.at(-1);
  const digits = wanted.replace(/^\+/, '');
  return settings.businesses.findLast(
    ({ id, name, number }) => id === wanted || name === wanted || number.slice(1) === digits,
  );
}

/** Makes it the current one. */
export function rememberBusiness(dataFolder: string, business: KnownBusiness): void {
  const settings = readLocalSettings(dataFolder);
  const others = settings.businesses.filter(({ id }) => id !== business.id);
  writeLocalSettings(dataFolder, { ...settings, businesses: [...others, business] });
}
