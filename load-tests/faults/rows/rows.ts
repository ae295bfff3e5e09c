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
import { kafkaHangs } from './kafka-hangs.ts';
import { databaseRestored, kafkaRestored } from './restored-servers.ts';
import { frozenInside } from './transactions.ts';
import { framesRepeated, handsetRestored, preKeysDrained, reinstalledHeld, reinstalledResent } from './handsets.ts';
import { databaseKilled, databaseSlow, etcdPaused, kafkaKilled } from './servers.ts';
import {
  billingKilled,
  coordinatorCutOff,
  coordinatorKilled,
  cryptoKilled,
  cryptoPaused,
  gatewayKilled,
  relayKilled,
} from './services.ts';

const rows: readonly Row[] = [
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
  billingKilled,
  etcdPaused,
  kafkaKilled,
  databaseKilled,
  databaseSlow,
  framesRepeated,
  reinstalledHeld,
  reinstalledResent,
  preKeysDrained,
  frozenInside,
  handsetRestored,
  coordinatorCutOff,
  kafkaHangs,
  databaseRestored,
  kafkaRestored,
].toSorted((a, b) => a.no - b.no);

/** `1,2,3`, `all` or `none`; a whole number names its halves as well. @throws Error for a number that is no row */
export function chooseRows(text: string): readonly Row[] {
  if (text === 'all') return rows;
  if (text === 'none') return [];
  return text.split(',').flatMap((part) => {
    const chosen = rows.filter(({ no }) => Math.trunc(no) === Number(part) || no === Number(part));
    if (chosen.length === 0) throw new Error(`there is no row ${part}: ${rows.map(({ no }) => no).join(', ')}`);
    return chosen;
  });
}
