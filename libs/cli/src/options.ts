/** Options that commands share, and how their values are read. */
import { type Command, InvalidArgumentError } from 'commander';
import { withTls, type TlsOptions } from './tls.ts';

export interface ConnectionOptions extends TlsOptions {
  /** The data folder: the current business and the admin key are read there. */
  readonly data: string;
  readonly address?: string;
  readonly json?: boolean;
}

export interface BusinessOptions extends ConnectionOptions {
  readonly business?: string;
  readonly apiKey?: string;
}

export interface OperatorOptions extends ConnectionOptions {
  readonly adminKey?: string;
}

const defaultDataFolder = 'data';

export function withData(command: Command): Command {
  return command.option(
    '--data <folder>',
    'the data folder [CHAPPE_DATA]',
    process.env['CHAPPE_DATA'] ?? defaultDataFolder,
  );
}

/** For what a business does. */
export function asBusiness(command: Command): Command {
  return withConnection(command)
    .option('--business <id, name or number>', 'one of the businesses created here; absent: the last one')
    .option('--api-key <key>', 'the key of another business [CHAPPE_API_KEY]');
}

/** For what the operator does. */
export function asOperator(command: Command): Command {
  return withConnection(command).option('--admin-key <key>', 'absent: read from the data folder [CHAPPE_ADMIN_KEY]');
}

function withConnection(command: Command): Command {
  return withTls(withData(command).option('--address <host:port>', 'the gateway [CHAPPE_ADDRESS]')).option(
    '--json',
    'print JSON',
  );
}

/** For `help`: lines under a title. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

export function readWholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

export function readPort(text: string): number {
  const value = readWholeNumber(text);
  if (value > 65_535) throw new InvalidArgumentError('A port is at most 65535.');
  return value;
}

/** An RFC 3339 time, e.g. `2026-02-01T10:00:00Z`, or a date. */
export function readTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('It must be a time, e.g. 2026-02-01T10:00:00Z.');
  return time;
}

/** Collects `name=value`, given several times. */
export function readParameter(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be name=value.');
  const name = text.slice(0, at);
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is given twice.`);
  return { ...before, [name]: text.slice(at + 1) };
}
