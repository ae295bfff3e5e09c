/** Rows 7 to 12: a relay, a gateway, the leading coordinator, crypto or billing dies or is slow. */
import {
  answersWithin,
  bothOf,
  memoryGrowsAtMost,
  noNoteSaysNo,
  noStormOfRetries,
  recoversAfterHealing,
  recoversWithin,
  refusesNothing,
} from '../row.ts';
import type { Row } from '../row.ts';

export const relayKilled: Row = {
  no: 7,
  name: 'relay dies',
  injection: 'kill -9 relay-a',
  inject: ({ cluster }) => cluster.kill('relay-a'),
  heal: ({ cluster }) => cluster.start('relay-a'),
  acceptance: bothOf(recoversWithin(2_000), refusesNothing),
};

export const devicePathLost: Row = {
  no: 7.1,
  name: 'device path lost',
  injection: 'RST to whoever talks to relay-a, for 5 s',
  inject: ({ cluster }) => cluster.reset('relay-a'),
  heal: ({ cluster }) => cluster.endReset('relay-a'),
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
  acceptance: bothOf(recoversWithin(2_000), answersWithin(2_000), refusesNothing),
};

let formerLeader = 'coordinator-a';
let killedMs = 0;

const newLeaderMs = 5_000;

export const coordinatorKilled: Row = {
  no: 9,
  name: 'coordinator dies',
  injection: 'kill -9 of the leader',
  faultMs: 8_000,
  inject: async ({ cluster, note }) => {
    formerLeader = await cluster.leader();
    killedMs = Date.now();
    await cluster.kill(formerLeader);
    note(`${formerLeader} led`);
  },
  heal: async ({ cluster, note }) => {
    const line = (await cluster.said(killedMs)).find(({ msg }) => msg === 'leads');
    const afterMs = line === undefined ? Infinity : line.timeMs - killedMs;
    note(
      line === undefined || afterMs > newLeaderMs
        ? `NO new leader within ${newLeaderMs} ms (${afterMs} ms)`
        : `${line.process} leads after ${afterMs} ms`,
    );
    await cluster.start(formerLeader);
  },
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, noNoteSaysNo),
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
  acceptance: bothOf(recoversWithin(1_500), refusesNothing, noNoteSaysNo),
};

const bothCrypto = ['crypto-a', 'crypto-b'];
const pushesBack = bothOf(refusesNothing, noStormOfRetries, memoryGrowsAtMost(100));

export const cryptoKilled: Row = {
  no: 11,
  name: 'crypto dies',
  injection: 'kill -9 crypto-a',
  inject: ({ cluster }) => cluster.kill('crypto-a'),
  heal: ({ cluster }) => cluster.start('crypto-a'),
  acceptance: bothOf(recoversWithin(5_000), pushesBack),
};

export const cryptoPaused: Row = {
  no: 11.1,
  name: 'crypto stands still',
  injection: 'SIGSTOP of both crypto for 5 s',
  inject: async ({ cluster }) => {
    await Promise.all(bothCrypto.map((name) => cluster.freeze(name)));
  },
  heal: async ({ cluster }) => {
    await Promise.all(bothCrypto.map((name) => cluster.thaw(name)));
  },
  acceptance: bothOf(recoversAfterHealing(5_000), pushesBack),
};

const cryptoShare = 0.1;

export const cryptoSlow: Row = {
  no: 11.2,
  name: 'crypto is slow',
  injection: 'a tenth of a processor for each crypto, for 15 s',
  faultMs: 15_000,
  inject: async ({ cluster }) => {
    await Promise.all(bothCrypto.map((name) => cluster.limitCpu(name, cryptoShare)));
  },
  heal: async ({ cluster }) => {
    await Promise.all(bothCrypto.map((name) => cluster.endLimit(name)));
  },
  acceptance: bothOf(recoversAfterHealing(5_000), pushesBack),
};

export const billingKilled: Row = {
  no: 12,
  name: 'billing dies for 60 s',
  injection: 'kill -9 of both billing',
  faultMs: 60_000,
  inject: async ({ cluster }) => {
    await Promise.all(['billing-a', 'billing-b'].map((name) => cluster.kill(name)));
  },
  heal: async ({ cluster }) => {
    await Promise.all(['billing-a', 'billing-b'].map((name) => cluster.start(name)));
  },
  // The load ends 8 s after its return; two processes that start take two busy processors for a second.
  acceptance: bothOf(recoversWithin(2_500), refusesNothing, ({ drainedMs }) =>
    drainedMs !== undefined && drainedMs <= 22_000 ? [] : ['the ledger is not complete 30 s after its return'],
  ),
};
