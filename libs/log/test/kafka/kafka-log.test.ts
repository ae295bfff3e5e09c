/** The log in Kafka: the conformance suite against the brokers of the stack. */
import { logConformance } from '../../src/conformance.ts';
import type { LogHarness } from '../../src/conformance-harness.ts';
import { openKafkaLog } from '../../src/kafka-log.ts';
import { stackKafka } from './stack-kafka.ts';

const { options, skip } = stackKafka();

logConformance(
  'Kafka',
  async (): Promise<LogHarness> => {
    const log = await openKafkaLog(options);
    let current = log;
    return {
      log,
      async reopen() {
        await current[Symbol.asyncDispose]();
        current = await openKafkaLog(options);
        return current;
      },
      makeDead: async () => log[Symbol.asyncDispose](),
      [Symbol.asyncDispose]: () => current[Symbol.asyncDispose](),
    };
  },
  { skip },
);
