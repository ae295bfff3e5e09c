/**
 * Row 18: the database's disk is full. MariaDB does not refuse a commit whose binlog cannot be written: it
 * waits, looks once a minute whether there is space, and goes on. Meanwhile nothing is committed, so nothing is accepted.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { bothOf, noNoteSaysNo, recoversAfterHealing, refusesNothing } from '../row.ts';
import type { Row } from '../row.ts';
import type { SmallDisk } from '../small-disk.ts';

/** To be filled and given back: tables grow by megabytes at a time. */
const spareBytes = 512 * 1024 * 1024;
const saysMs = 10_000;
/** MariaDB's own look at the disk, once a minute, and what follows. */
const backMs = 70_000;
let disk: SmallDisk | undefined;

export const databaseDiskFull: Row = {
  no: 18,
  name: "the database's disk is full",
  injection:
    'a small disk under mariadb-a is filled for 15 s; if the server ends, it is started again when there is space',
  faultMs: 5_000,
  afterMs: 8_000,
  drainMsMax: 120_000,
  prepare: async ({ cluster }) => {
    disk = await cluster.moveToSmallDisk('mariadb-a', spareBytes, 'filled');
    await cluster.ready();
  },
  inject: async ({ cluster, note }) => {
    await disk?.fill();
    await pause(saysMs);
    const [problem] = (await cluster.problems()).filter((text) => /database|mysql:/.test(text));
    note(problem === undefined ? `NO word of it in any health after ${saysMs} ms` : `health says: ${problem}`);
    note((await cluster.isRunning('mariadb-a')) ? 'the server waits' : 'the server has ended');
  },
  heal: async ({ cluster }) => {
    await disk?.empty();
    if (!(await cluster.isRunning('mariadb-a'))) await cluster.start('mariadb-a');
  },
  cleanUp: async ({ cluster }) => {
    await disk?.remove();
    await cluster.ready();
  },
  acceptance: bothOf(recoversAfterHealing(backMs), refusesNothing, noNoteSaysNo),
};
