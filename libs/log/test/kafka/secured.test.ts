/** The log in Kafka over TLS with a login: what is right goes through, what is wrong is said. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommand } from '../../../../load-tests/stack/process-record.ts';
import { append, idsOf, makeRecords, makeTopic, never, noLimits, rejectsAs } from '../../src/conformance-harness.ts';
import { openKafkaLog } from '../../src/kafka-log.ts';
import type { KafkaLogOptions } from '../../src/kafka-log.ts';
import { startBrokers } from './own-brokers.ts';
import type { OwnBrokers } from './own-brokers.ts';
import { stackKafka } from './stack-kafka.ts';

const login = (module: string, users: string): string =>
  `org.apache.kafka.common.security.${module} required ${users};`;

describe('a broker with TLS and logins', { skip: stackKafka().skip }, () => {
  let own: OwnBrokers;
  let ca: string;
  before(async () => {
    const certificate = await makeCertificate();
    ca = certificate.certificate;
    own = await startBrokers(1, {
      scramUsers: ['SCRAM-SHA-256=[name=chappe,password=right]'],
      settings: {
        'listener.security.protocol.map': 'PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.plaintext.plain.sasl.jaas.config': login(
          'plain.PlainLoginModule',
          'username="broker" password="broker" user_broker="broker" user_chappe="right"',
        ),
        'listener.name.plaintext.scram-sha-256.sasl.jaas.config': login('scram.ScramLoginModule', ''),
        // The login ends again and again during the test.
        'connections.max.reauth.ms': '1000',
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.certificate.chain': oneLine(certificate.certificate),
        'ssl.keystore.key': oneLine(certificate.key),
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.certificates': oneLine(certificate.certificate),
        'ssl.endpoint.identification.algorithm': '',
      },
    });
  });
  after(async () => own?.[Symbol.asyncDispose]());

  const secured = (mechanism: 'plain' | 'scram-sha-256', password: string): KafkaLogOptions => ({
    ...own.options,
    ssl: { ca },
    sasl: { mechanism, username: 'chappe', password },
  });

  for (const mechanism of ['plain', 'scram-sha-256'] as const) {
    test(`the log works over TLS with a ${mechanism} login, also when logins end meanwhile`, async () => {
      await using log = await openKafkaLog(secured(mechanism, 'right'));
      const topic = await makeTopic(log);
      const start = performance.now();
      let count = 0;
      while (performance.now() - start < 2_500) {
        await append(log, topic, makeRecords(1, count));
        count += 1;
      }
      await using reader = await log.openReader(topic, 0);
      const ids: string[] = [];
      while (ids.length < count) ids.push(...idsOf(await reader.read(noLimits, never)));
      assert.deepEqual(
        ids,
        makeRecords(count).map(({ headers }) => headers.id),
      );
    });

    test(`a wrong ${mechanism} password is unavailable, and the error says why but not the password`, async () => {
      await assert.rejects(openKafkaLog(secured(mechanism, 'wrong-password')), (error: Error) => {
        assert.match(error.message, /login failed/);
        assert.doesNotMatch(error.message, /wrong-password/);
        return true;
      });
    });
  }

  test('a broker whose certificate nobody vouches for is unavailable', async () => {
    await rejectsAs('unavailable', openKafkaLog({ ...secured('plain', 'right'), ssl: true }));
  });

  test('a client without TLS is unavailable', async () => {
    await rejectsAs('unavailable', openKafkaLog(own.options));
  });
});

async function makeCertificate(): Promise<{ certificate: string; key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-certificate-'));
  const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  try {
    const subject = '-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost';
    const args = `req -x509 -newkey rsa:2048 -nodes -days 2 ${subject} -keyout ${keyFile} -out ${certificateFile}`;
    await runCommand('openssl', args.split(' '));
    return { certificate: await readFile(certificateFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** As a value in a properties file. */
function oneLine(pem: string): string {
  return pem.trim().replaceAll('\n', String.raw`\n`);
}
