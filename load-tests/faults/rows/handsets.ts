/** Rows 24, 25, 26 and 31: what handsets do, and what is done to them. */
import { memoryState, recordKinds } from '@chappe/handset/handset-state';
import type { HandsetState } from '@chappe/handset/handset-state';
import { DeviceService } from '@chappe/proto/device/device_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { IdentityPolicy } from '@chappe/proto/v1/business_service';
import { Channel } from '@chappe/rpc/client';
import { toChappeError } from '@chappe/errors/chappe-error';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultCluster } from '../fault-cluster.ts';
import { inParallel } from '../in-parallel.ts';
import type { Phone } from '../people.ts';
import { bothOf, noNoteSaysNo, recoversWithin, refusesNothing } from '../row.ts';
import type { Row, RowContext } from '../row.ts';

/** Whose handset is lost, drained or restored; not those with two. */
function victimsOf({ people }: Pick<RowContext, 'people'>): readonly Phone[] {
  return people.phones.filter(({ device }) => device.endsWith('/1')).slice(4, 10);
}

export const framesRepeated: Row = {
  no: 24,
  name: 'repeated, reordered and replayed device frames',
  injection: 'every handset sends frames twice, and old ones again in any order',
  faultMs: 10_000,
  inject: async ({ people, random, note }) => {
    let repeats = 0;
    await people.reopenAll({ random, onRepeat: () => (repeats += 1) });
    noteLater(note, () => `${repeats} frames were sent again`);
  },
  heal: async ({ people }) => {
    noted();
    await people.reopenAll();
  },
  acceptance: bothOf(recoversWithin(10_000), refusesNothing),
};

let noted: () => void = () => undefined;

function noteLater(note: (text: string) => void, text: () => string): void {
  noted = () => note(text());
}

function reinstalled(no: number, identityPolicy: IdentityPolicy, name: string): Row {
  return {
    no,
    name: `device reinstalled in mid-stream; policy ${name}`,
    injection: 'six handsets register anew with new keys',
    settings: { identityPolicy },
    afterMs: 10_000,
    inject: async (context) => {
      for (const phone of victimsOf(context)) {
        await context.people.close(phone);
        await context.people.register(phone.contact, `${phone.device}+`);
      }
    },
    heal: async ({ load, note }) => {
      const changed = new Set(load.identityChanges);
      note(`the business heard of ${changed.size} new identities`);
      if (identityPolicy !== IdentityPolicy.HOLD) return;
      for (const contact of changed) await load.client.contacts.acknowledgeIdentity({ contact });
    },
    acceptance: bothOf(refusesNothing, ({ identityChanges }) =>
      identityChanges === 6 ? [] : [`${identityChanges} changes of identity were told, of 6`],
    ),
  };
}

export const reinstalledHeld = reinstalled(25, IdentityPolicy.HOLD, 'hold, acknowledged after 5 s');
export const reinstalledResent = reinstalled(25.1, IdentityPolicy.RESEND, 'resend');

const claimsInAll = 10_000;
const claimsPerCall = 500;
const fetches = 10_000;
const fetchesAtATime = 16;

export const preKeysDrained: Row = {
  no: 26,
  name: 'prekeys drained',
  injection: `${claimsInAll} claims of one device's keys before the first message, ${fetches} fetches by one device`,
  prepare: async ({ cluster, people, note }) => {
    const [victim] = victimsOf({ people });
    if (victim === undefined) throw new Error('there is no handset');
    const { twice, lastResorts } = await drain(cluster, victim);
    note(`${lastResorts} of ${claimsInAll} claims got the last-resort key`);
    if (lastResorts === 0) note('NO last-resort key was given');
    if (twice > 0) note(`NO: ${twice} one-time keys were given twice`);
    const refused = await fetchMany(cluster, victim);
    note(refused > 0 ? `${refused} of ${fetches} fetches were refused` : 'NO fetch was refused');
  },
  inject: () => Promise.resolve(),
  heal: () => Promise.resolve(),
  acceptance: bothOf(refusesNothing, noNoteSaysNo),
};

async function drain(
  cluster: FaultCluster,
  { contact, handset }: Phone,
): Promise<{ twice: number; lastResorts: number }> {
  using channel = new Channel({ address: cluster.preKeyAddresses() });
  const client = channel.client(PreKeyService);
  const { device } = handset.account;
  const given = new Set<number>();
  let twice = 0;
  let lastResorts = 0;
  for (let first = 0; first < claimsInAll; first += claimsPerCall) {
    const claims = Array.from({ length: claimsPerCall }, (_, place) => ({
      claimId: `faults/${contact}/${first + place}`,
      contact: contact.slice(1),
      device,
    }));
    for (const { bundle } of (await client.claim({ claims })).results) {
      const id = bundle?.preKey?.id;
      if (id === undefined) lastResorts += 1;
      else if (given.has(id)) twice += 1;
      else given.add(id);
    }
  }
  return { twice, lastResorts };
}

/** How many of a device's fetches of a business's keys were refused. */
async function fetchMany(cluster: FaultCluster, { handset }: Phone): Promise<number> {
  using channel = new Channel({ address: cluster.addressesOf('relay') });
  const client = channel.client(DeviceService);
  let refused = 0;
  const { credential } = handset.account;
  await inParallel(fetchesAtATime, Array.from({ length: fetches }).keys(), async () => {
    await client.getNumberBundle({ number: '+33199009000' }, { bearer: credential }).catch((error: unknown) => {
      if (toChappeError(error).reason === 'tooManyRequests') refused += 1;
    });
  });
  return refused;
}

export const handsetRestored: Row = {
  no: 31,
  name: 'handset restored from an old backup',
  injection: 'six handsets go on with the state of 4 s ago',
  afterMs: 10_000,
  inject: async ({ people, load, random, note }) => {
    const victims = victimsOf({ people });
    const backups = victims.map(({ state }) => copyOf(state));
    await pause(4_000 + random() * 500);
    // What was shown and not yet acknowledged would be shown again: no handset can know better.
    load.hold();
    await pause(1_500);
    for (const [place, phone] of victims.entries()) {
      await people.close(phone);
      people.open(phone.contact, phone.device, backups[place] ?? memoryState());
    }
    load.goOn();
    note(`${victims.length} handsets were restored`);
  },
  heal: () => Promise.resolve(),
  acceptance: bothOf(refusesNothing),
};

function copyOf(state: HandsetState): HandsetState {
  const copy = memoryState();
  for (const kind of recordKinds) {
    for (const key of state.keys(kind)) copy.put(kind, key, Uint8Array.from(state.get(kind, key) ?? []));
  }
  return copy;
}
