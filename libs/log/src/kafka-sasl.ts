/** Logs a connection in, by the mechanisms that kafkajs implements (PLAIN, SCRAM, OAUTHBEARER). */
import { createRequire } from 'node:module';
import type { Authenticator, AuthenticationProviderArgs, Logger, SASLOptions } from 'kafkajs';
import { saslAuthenticateRequest, saslHandshakeRequest } from './kafka-protocol.ts';
import type { KafkaRequest } from './kafka-protocol.ts';

export type KafkaSasl = Exclude<SASLOptions, { mechanism: 'aws' }>;

type Provider = (sasl: KafkaSasl) => (args: AuthenticationProviderArgs) => Authenticator;

const require = createRequire(import.meta.url);
const providers: Record<KafkaSasl['mechanism'], Provider> = {
  plain: require('kafkajs/src/broker/saslAuthenticator/plain.js') as Provider,
  'scram-sha-256': require('kafkajs/src/broker/saslAuthenticator/scram256.js') as Provider,
  'scram-sha-512': require('kafkajs/src/broker/saslAuthenticator/scram512.js') as Provider,
  oauthbearer: require('kafkajs/src/broker/saslAuthenticator/oauthBearer.js') as Provider,
};

/**
 * Logs in; resolves with how long the login lasts in milliseconds, 0 for always.
 *
 * @throws Error if the broker does not offer the mechanism or refuses the credentials.
 */
export async function authenticate(
  sasl: KafkaSasl,
  address: { readonly host: string; readonly port: number },
  send: <T>(request: KafkaRequest<T>) => Promise<T>,
): Promise<number> {
  const mechanism = sasl.mechanism.toUpperCase();
  const { enabledMechanisms } = await send(saslHandshakeRequest(mechanism));
  if (!enabledMechanisms.includes(mechanism)) {
    throw new Error(`the broker offers ${enabledMechanisms.join(', ') || 'no mechanism'}, not ${mechanism}`);
  }
  let sessionLifetimeMs = 0;
  const authenticator = providers[sasl.mechanism](sasl)({
    ...address,
    logger: silentLogger,
    async saslAuthenticate({ request, response }) {
      const answer = await send(saslAuthenticateRequest(await request.encode()));
      if (answer.errorCode !== 0) throw new Error(answer.errorMessage ?? `error ${answer.errorCode}`);
      sessionLifetimeMs = Number(answer.sessionLifetimeMs);
      if (response === undefined) return undefined;
      return response.parse(await response.decode(answer.authBytes));
    },
  });
  await authenticator.authenticate();
  return sessionLifetimeMs;
}

/** Failures are errors here; what kafkajs would say besides names the broker only. */
const silentLogger: Logger = {
  info() {},
  error() {},
  warn() {},
  debug() {},
  namespace: () => silentLogger,
  setLogLevel() {},
};
