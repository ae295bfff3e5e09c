/**
 * Reading `scheme://host:port,host:port?name=value`, which `URL` does not: it knows one host only.
 * What is wrong is said without quoting the text, which may hold a password.
 */
export interface ServerUrl {
  readonly scheme: string;
  /** `host:port` of each server. */
  readonly hosts: readonly string[];
  readonly parameters: ReadonlyMap<string, string>;
}

const form = /^([a-z]+):\/\/([^/?#]+)\/?(?:\?([^#]*))?$/;
const host = /^([^\s/:[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;

/**
 * @param known the parameters that there are
 * @throws Error with what is wrong
 */
export function readServerUrl(text: string, known: readonly string[]): ServerUrl {
  const [, scheme, authority = '', query = ''] = form.exec(text) ?? [];
  if (scheme === undefined) throw new Error('it is not like scheme://host:port,host:port?name=value');
  const hosts = authority.split(',');
  if (!hosts.every((each) => host.test(each))) throw new Error('each server is host:port, without user or password');
  const parameters = new Map(new URLSearchParams(query));
  const unknown = [...parameters.keys()].filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: the parameters are ${known.join(', ')}`);
  return { scheme, hosts, parameters };
}

/** @throws Error if the parameter is no positive whole number */
export function numberIn({ parameters }: ServerUrl, name: string, fallback: number): number {
  const value = Number(parameters.get(name) ?? fallback);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${name} is a positive whole number`);
}
