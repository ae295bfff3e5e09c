/**
 * The one place that writes to the terminal: results to stdout, everything else to stderr, so that
 * a result can be piped.
 */
import { toJson, type DescMessage, type JsonValue, type MessageShape } from '@bufbuild/protobuf';

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What a person should know and a script does not read. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One JSON document. */
export function printJson(value: JsonValue): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** One line of a stream of JSON documents. Resolves when more may be written. */
export function printJsonLine(value: JsonValue): Promise<void> {
  return writeLine(JSON.stringify(value));
}

/** For streams: resolves when more may be written, so that a slow reader pushes back. */
export function writeLine(text: string): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(`${text}\n`)) resolve();
    else process.stdout.once('drain', resolve);
  });
}

export interface Shown {
  readonly json?: boolean | undefined;
}

/** A message of the API, as canonical protobuf JSON or as `text` shows it. */
export function printMessage<Desc extends DescMessage>(
  options: Shown,
  schema: Desc,
  message: MessageShape<Desc>,
  text: (message: MessageShape<Desc>) => string,
): void {
  if (options.json === true) printJson(toJson(schema, message));
  else print(text(message));
}
