/** Where the servers of each zone and of the witness are, and how a command gets there: one loopback, or namespaces of their own. */

export type Site = 'a' | 'b' | 'witness';

export interface Place {
  /** That others reach it by. */
  readonly host: string;
  /** Before a command that is to run there. */
  readonly enter: readonly string[];
}

export interface Places extends Readonly<Record<Site, Place>> {
  /** The address of whichever database server is the primary. */
  readonly database: string;
  /** Where a database server listens, and where from its clients come, as MariaDB writes a host. */
  readonly databaseListens: string;
  readonly databaseClients: string;
}

const loopback: Place = { host: '127.0.0.1', enter: [] };

export const onLoopback: Places = {
  a: loopback,
  b: loopback,
  witness: loopback,
  database: loopback.host,
  databaseListens: loopback.host,
  databaseClients: loopback.host,
};
