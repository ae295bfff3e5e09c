/** The bounds of the store. */

/** Transactions that wait for their turn: at 1 ms each, more would wait longer than any caller's deadline of 5 s. */
export const waitingTransactionsMax = 5_000;

/** Prepared statements per connection: the services together have some 200, with room for lists of varying length. */
export const preparedStatementsMax = 500;
