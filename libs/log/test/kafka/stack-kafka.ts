/** Where the brokers of the stack are, as `make test` says in the environment; without it tests are skipped. */
import type { KafkaLogOptions } from '../../src/kafka-log.ts';

export function stackKafka(): { options: KafkaLogOptions; skip: string | false } {
  const brokers = process.env['CHAPPE_KAFKA_BROKERS'];
  const replicationFactor = Number(process.env['CHAPPE_KAFKA_REPLICATION'] ?? 1);
  return {
    options: {
      brokers: brokers?.split(',') ?? [],
      clientId: 'chappe-test',
      replicationFactor,
      minInSyncReplicas: Math.min(2, replicationFactor),
    },
    skip: brokers === undefined && 'CHAPPE_KAFKA_BROKERS is not set: `make test` does',
  };
}
