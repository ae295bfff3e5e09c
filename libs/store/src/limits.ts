/** The bounds of the store. */

/** Transactions that wait for their turn: at 1 ms each, more would wait longer than any caller's deadline of 5 s. */
export const waitingTransactionsMax = 5_000;

/** Prepared statements per connection: the services together have some 200, with room for lists of varying length. */
export const preparedStatementsMax = 500;

/**
 * Connections of one process to a MySQL server for transactions: some ten processes with these and
 * those for reads stay below the server's default `max_connections` of 151.
 */
export const transactionConnectionsMax = 8;

/** Apart from those for transactions, so that neither waits for the other. */
export const readConnectionsMax = 4;

/** How long a caller waits for a connection: as long as callers' own deadlines. */
export const connectionWaitMs = 5_000;

/** A server that accepts connections at all does so within a round trip and a few ms. */
export const connectMs = 3_000;

/**
 * How long one statement may take. Waiting for a lock ends after 2 s; a server that needs longer than
 * this stands still, and its clients are better told.
 */
export const statementMs = 5_000;

/** Statements of migrations may rebuild a table. */
export const ddlStatementMs = 600_000;

/**
 * Statements that travel together, and one statement of many rows: a batch of 200 sessions of 4.4 kB in hexadecimal is
 * half of it, and every server that is let through takes 16 MiB (mysql-check.ts).
 */
export const packetBytesMax = 4 * 1024 * 1024;

/** How long the server keeps the session of a client that stands still: the lease's TTL, so that no takeover waits longer. */
export const sessionTimeoutMs = 5_000;

/** A claim that waits longer for a row takes it from its holder. */
export const lockWaitSeconds = 2;

/** A statement that waits for another's change of the table's form. */
export const tableLockWaitSeconds = 5;

/** Forms of statements whose text is kept split: as many as prepared statements of SQLite. */
export const splitStatementsMax = 500;
