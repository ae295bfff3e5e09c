/** Rows 7 to 12: a relay, a gateway, the leading coordinator, crypto or billing dies or is slow. */
import { bothOf, recoversWithin, refusesNothing } from '../row.ts';
import type { Row } from '../row.ts';

export const relayKilled: Row = {
  no: 7,
  name: 'relay dies; device path lost',
  injection: 'kill -9 relay-a',
  inject: ({ cluster }) => cluster.kill('relay-a'),
  heal: ({ cluster }) => cluster.start('relay-a'),
  acceptance: bothOf(recoversWithin(2_000), refusesNothing),
};

export const gatewayKilled: Row = {
  no: 8,
  name: 'gateway dies in mid-stream',
  injection: 'kill -9 of both gateways, one after the other',
  inject: async ({ cluster }) => {
    // Whichever the streams are on: one of the two kills meets them.
    await cluster.kill('gateway-a');
    await cluster.start('gateway-a');
    await cluster.ready();
    await cluster.kill('gateway-b');
  },
  heal: ({ cluster }) => cluster.start('gateway-b'),
  acceptance: bothOf(recoversWithin(2_000), refusesNothing),
};

let formerLeader = 'coordinator-a';

export const coordinatorKilled: Row = {
  no: 9,
  name: 'coordinator dies',
  injection: 'kill -9 of the leader',
  faultMs: 8_000,
  inject: async ({ cluster, note }) => {
    formerLeader = await cluster.leader();
    await cluster.kill(formerLeader);
    note(`${formerLeader} led`);
  },
  heal: async ({ cluster, note }) => {
    const leader = await cluster.leader();
    note(leader === formerLeader ? 'NO new leader after 8 s' : `${leader} leads`);
    await cluster.start(formerLeader);
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, ({ notes }) =>
    notes.filter((text) => text.startsWith('NO ')),
  ),
};

let cutLeader = 'coordinator-a';

export const coordinatorCutOff: Row = {
  no: 10,
  name: 'old coordinator leader cut off, then back',
  injection: 'DROP from the leader to etcd-a for 12 s',
  faultMs: 12_000,
  inject: async ({ cluster, note }) => {
    cutLeader = await cluster.leader();
    await cluster.cut(cutLeader, 'etcd-a');
    note(`${cutLeader} led`);
  },
  heal: async ({ cluster, note }) => {
    const leader = await cluster.leader();
    note(leader === cutLeader ? 'NO new leader after 12 s' : `${leader} leads`);
    await cluster.mend(cutLeader, 'etcd-a');
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, ({ notes }) =>
    notes.filter((text) => text.startsWith('NO ')),
  ),
};

export const cryptoKilled: Row = {
  no: 11,
  name: 'crypto dies',
  injection: 'kill -9 crypto-a',
  inject: ({ cluster }) => cluster.kill('crypto-a'),
  heal: ({ cluster }) => cluster.start('crypto-a'),
  acceptance: bothOf(recoversWithin(5_000), refusesNothing),
};

export const cryptoPaused: Row = {
  no: 11.5,
  name: 'crypto is slow',
  injection: 'SIGSTOP of both crypto for 5 s',
  inject: async ({ cluster }) => {
    await Promise.all(['crypto-a', 'crypto-b'].map((name) => cluster.freeze(name)));
  },
  heal: async ({ cluster }) => {
    await Promise.all(['crypto-a', 'crypto-b'].map((name) => cluster.thaw(name)));
  },
  acceptance: bothOf(recoversWithin(10_000), refusesNothing),
};

export const billingKilled: Row = {
  no: 12,
  name: 'billing dies for 20 s',
  injection: 'kill -9 of both billing',
  faultMs: 20_000,
  inject: async ({ cluster }) => {
    await Promise.all(['billing-a', 'billing-b'].map((name) => cluster.kill(name)));
  },
  heal: async ({ cluster }) => {
    await Promise.all(['billing-a', 'billing-b'].map((name) => cluster.start(name)));
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, ({ drainedMs }) =>
    drainedMs !== undefined && drainedMs <= 30_000 ? [] : ['the ledger is not complete 30 s after the load'],
  ),
};
