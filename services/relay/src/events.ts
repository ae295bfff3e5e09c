/** The only place where the relay counts or logs what happens: never content, keys or whole numbers. */
import { redactNumber, type Telemetry } from '@chappe/telemetry/telemetry';
import { Counter, Gauge } from 'prom-client';

export type RegistrationOutcome = 'registered' | 'refused' | 'failed';
export type ClaimedKey = 'one_time' | 'last_resort' | 'repeat' | 'unknown_device';
export type DropReason = 'stale_attachment' | 'lower_epoch' | 'gap' | 'slow_device';

export interface Events {
  codeSent(): void;
  registration(outcome: RegistrationOutcome, contact: string, device: number | undefined): void;
  claimed(key: ClaimedKey): void;
  connected(delta: 1 | -1): void;
  pushed(envelopes: number): void;
  dropped(reason: DropReason): void;
  commanded(kind: 'inbound' | 'block' | 'device_registered', outcome: 'appended' | 'refused' | 'failed'): void;
  linkUp(shard: string): void;
  linkDown(shard: string, reason: string): void;
  unexpected(error: unknown, where: string): void;
}

export function relayEvents({ log, metrics }: Telemetry): Events {
  const registers = [metrics];
  const codes = new Counter({
    name: 'chappe_relay_codes_sent_total',
    help: 'One-time codes handed to the provider',
    registers,
  });
  const registrations = new Counter({
    name: 'chappe_relay_registrations_total',
    help: 'Registrations of devices, by outcome',
    labelNames: ['outcome'],
    registers,
  });
  const claims = new Counter({
    name: 'chappe_relay_claims_total',
    help: 'Bundles claimed by range workers, by the key that was given',
    labelNames: ['key'],
    registers,
  });
  const connections = new Gauge({ name: 'chappe_relay_connections', help: 'Connected devices', registers });
  const pushed = new Counter({
    name: 'chappe_relay_pushed_envelopes_total',
    help: 'Envelopes handed to devices',
    registers,
  });
  const drops = new Counter({
    name: 'chappe_relay_dropped_pushes_total',
    help: 'Pushes that were not handed on and will be pushed again, by reason',
    labelNames: ['reason'],
    registers,
  });
  const commands = new Counter({
    name: 'chappe_relay_commands_total',
    help: 'Commands of devices, by kind and outcome',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  const links = new Gauge({ name: 'chappe_relay_links', help: 'Open streams to shards', registers });

  return {
    codeSent: () => codes.inc(),
    registration: (outcome, contact, device) => {
      registrations.labels(outcome).inc();
      log.info({ event: 'registration', outcome, contact: redactNumber(contact), device });
    },
    claimed: (key) => claims.labels(key).inc(),
    connected: (delta) => connections.inc(delta),
    pushed: (envelopes) => pushed.inc(envelopes),
    dropped: (reason) => drops.labels(reason).inc(),
    commanded: (kind, outcome) => commands.labels(kind, outcome).inc(),
    linkUp: (shard) => {
      links.inc();
      log.info({ event: 'link_up', shard });
    },
    linkDown: (shard, reason) => {
      links.dec();
      log.warn({ event: 'link_down', shard, reason });
    },
    unexpected: (error, where) => log.error({ event: 'unexpected', where, err: error }),
  };
}
