/** Every row that there is, by its number. */
import type { Row } from '../row.ts';
import {
  senderKilled,
  senderPaused,
  senderStopped,
  senderWithoutDatabase,
  senderWithoutEtcd,
  senderWithoutKafka,
} from './senders.ts';
import { databaseDiskFull } from './database-full.ts';
import { kafkaDiskFull, kafkaHangs, tooFewReplicas } from './kafka-refuses.ts';
import { databaseRestored, kafkaRestored } from './restored-servers.ts';
import { frozenInside } from './transactions.ts';
import { framesRepeated, handsetRestored, preKeysDrained, reinstalledHeld, reinstalledResent } from './handsets.ts';
import {
  copierKilled,
  leaderKilledOpen,
  leaderKilledPrepared,
  ownerKilledOpen,
  producerFrozen,
  reshaped,
} from './reshapes.ts';
import { databaseBursts, databaseKilled, databaseSlow, etcdPaused, etcdPausedLong, kafkaKilled } from './servers.ts';
import {
  billingKilled,
  coordinatorCutOff,
  coordinatorKilled,
  cryptoKilled,
  cryptoPaused,
  cryptoSlow,
  devicePathLost,
  gatewayKilled,
  relayKilled,
} from './services.ts';
import {
  fivePercentLost,
  onePercentLost,
  twentyPercentLost,
  witnessCutOff,
  zoneAndWitnessLost,
  zoneOfPrimaryCutOff,
  zoneOfPrimaryKilled,
  zoneOfReplicaCutOff,
} from './zones.ts';

const rows: readonly Row[] = [
  devicePathLost,
  senderKilled,
  senderStopped,
  senderPaused,
  senderWithoutEtcd,
  senderWithoutDatabase,
  senderWithoutKafka,
  relayKilled,
  gatewayKilled,
  coordinatorKilled,
  cryptoKilled,
  cryptoPaused,
  cryptoSlow,
  billingKilled,
  etcdPaused,
  etcdPausedLong,
  kafkaKilled,
  databaseKilled,
  databaseBursts,
  databaseSlow,
  databaseDiskFull,
  framesRepeated,
  reinstalledHeld,
  reinstalledResent,
  preKeysDrained,
  frozenInside,
  handsetRestored,
  coordinatorCutOff,
  tooFewReplicas,
  kafkaDiskFull,
  kafkaHangs,
  databaseRestored,
  kafkaRestored,
  reshaped,
  leaderKilledPrepared,
  leaderKilledOpen,
  ownerKilledOpen,
  copierKilled,
  producerFrozen,
  onePercentLost,
  fivePercentLost,
  twentyPercentLost,
  zoneOfPrimaryCutOff,
  zoneOfPrimaryKilled,
  zoneOfReplicaCutOff,
  witnessCutOff,
  zoneAndWitnessLost,
].toSorted((a, b) => a.no - b.no);

/** Of each kind of fault one, in some minutes. */
const short = '1,2,8,16';

/** `1,2,3`, `short`, `all` or `none`; a whole number names its further forms (`11.1`) as well, `11.0` does not. @throws Error for a number that is no row */
export function chooseRows(text: string): readonly Row[] {
  if (text === 'all') return rows;
  if (text === 'none') return [];
  return (text === 'short' ? short : text).split(',').flatMap((part) => {
    const chosen = rows.filter(({ no }) => (part.includes('.') ? no : Math.trunc(no)) === Number(part));
    if (chosen.length === 0) throw new Error(`there is no row ${part}: ${rows.map(({ no }) => no).join(', ')}`);
    return chosen;
  });
}
