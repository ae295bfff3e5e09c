/**
 * Row 15: Kafka takes nothing for a while. With one broker it cannot refuse for want of in-sync replicas (it asks
 * for no more of them than there are): here it hangs; refusals are in the log driver's own tests, with three.
 */
import { bothOf, recoversAfterHealing, refusesNothing } from '../row.ts';
import type { Row } from '../row.ts';

export const kafkaHangs: Row = {
  no: 15,
  name: 'Kafka takes nothing',
  injection: 'SIGSTOP kafka-1 for 10 s',
  faultMs: 10_000,
  afterMs: 12_000,
  inject: ({ cluster }) => cluster.freeze('kafka-1'),
  heal: ({ cluster }) => cluster.thaw('kafka-1'),
  acceptance: bothOf(recoversAfterHealing(10_000), refusesNothing, ({ answeredDuring }) =>
    answeredDuring === 0 ? [] : [`${answeredDuring} messages were accepted while nothing could be written`],
  ),
};
