/** Variables that are nothing without another one: said when the configuration is read, before anything is opened. */

/** What is there, and what it needs, behind the same prefix: `CHAPPE_LOG_`, `CHAPPE_RELAY_`, ... */
const companions = [
  ['TLS_CERTIFICATE', 'TLS_KEY'],
  ['TLS_KEY', 'TLS_CERTIFICATE'],
  ['TLS_CERTIFICATE', 'TLS_AUTHORITY'],
  // Services show certificates to each other; other servers may ask for none.
  ['PEER_TLS_AUTHORITY', 'PEER_TLS_CERTIFICATE'],
  ['USERNAME', 'PASSWORD'],
  ['PASSWORD', 'USERNAME'],
] as const;

/** @param given by name, each that there is; undefined: it is not given. What has no companion in here needs none. */
export function missingCompanions(given: Readonly<Record<string, unknown>>): string[] {
  return companions.flatMap(([there, needed]) =>
    Object.keys(given).flatMap((name) => {
      const other = name.replace(there, needed);
      const isMissing = name.endsWith(`_${there}`) && given[name] !== undefined && given[other] === undefined;
      return isMissing && Object.hasOwn(given, other) ? [`${other}: it is needed with ${name}`] : [];
    }),
  );
}
