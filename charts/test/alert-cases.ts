/**
 * For each alert two stories told by series, one in which it fires and one close to it in which it does not. Values
 * are promtool's: `0+2x10` begins at 0 and grows by 2 ten times, `_` is a gap, `stale` an end. One value each minute.
 */

type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  /** At this time, e.g. `10m`. */
  readonly at: string;
  readonly fires: Series;
  readonly quiet: Series;
}

/** With the labels that every series has. */
export function named(series: string): string {
  const common = 'namespace="messages",job="messages/chappe"';
  return series.includes('{') ? series.replace('{', `{${common},`) : `${series}{${common}}`;
}

const pod = (component: string, zone: string, name = `${component}-${zone}`): string =>
  `chappe_process_ready{component="${component}",zone="${zone}",pod="${name}"}`;
const zoneOf = (figure: string, zone: string): string => `chappe_coordinator_zone_${figure}{shard_zone="${zone}"}`;
const cryptoCalls = 'service="chappe.internal.v1.CryptoService",method="Encrypt"';
const day = 86_400;
const certificate = 'chappe_tls_not_after_timestamp_seconds{component="sender",certificate="peer_certificate"}';

export const alertCases: Readonly<Record<string, AlertCase>> = {
  ChappeBacklogOld: {
    at: '5m',
    fires: {
      'chappe_sender_oldest_command_seconds{shard="s1"}': '0+60x5',
      'chappe_sender_oldest_command_seconds{shard="s2"}': '0x5',
    },
    quiet: { 'chappe_sender_oldest_command_seconds{shard="s1"}': '0 90 90 1 90 90' },
  },
  ChappeBacklogLarge: {
    at: '10m',
    fires: {
      'chappe_sender_lag_commands{shard="s1"}': '90000x10',
      [zoneOf('capacity_commands', 'a')]: '1500x10',
      'chappe_sender_lag_commands{shard="s2"}': '1000x10',
    },
    quiet: { 'chappe_sender_lag_commands{shard="s1"}': '89000x10', [zoneOf('capacity_commands', 'a')]: '1500x10' },
  },
  ChappeSendsRefused: {
    at: '15m',
    fires: {
      'chappe_gateway_messages_total{code="0"}': '0+980x15',
      'chappe_gateway_messages_total{code="1016"}': '0+20x15',
    },
    quiet: {
      'chappe_gateway_messages_total{code="0"}': '0+500x15',
      'chappe_gateway_messages_total{code="3001"}': '0+500x15',
      'chappe_gateway_messages_total{code="1016"}': '0+5x15',
    },
  },
  ChappeCommandsHeld: {
    at: '10m',
    fires: { 'chappe_sender_held_commands{shard="s1"}': '0 1x10' },
    quiet: { 'chappe_sender_held_commands{shard="s1"}': '0x10' },
  },
  ChappeRecordSkipped: {
    at: '10m',
    fires: { 'chappe_sender_alarms_total{shard="s1",alarm="dead_record"}': '0x5 1x5' },
    quiet: {
      'chappe_sender_alarms_total{shard="s1",alarm="dead_record"}': '3x10',
      'chappe_sender_alarms_total{shard="s1",alarm="clock"}': '0x5 1x5',
    },
  },
  ChappeClocksApart: {
    at: '10m',
    fires: { 'chappe_sender_alarms_total{shard="s1",alarm="clock"}': '0x5 1x5' },
    quiet: { 'chappe_sender_alarms_total{shard="s1",alarm="clock"}': '1x10' },
  },
  ChappeUndecryptable: {
    at: '40m',
    fires: {
      'chappe_sender_undecryptable_total{shard="s1",reason="invalid"}': '0+2x40',
      'chappe_sender_accepted_total{shard="s1"}': '0+100x40',
    },
    quiet: {
      'chappe_sender_undecryptable_total{shard="s1",reason="invalid"}': '0+1x40',
      'chappe_sender_accepted_total{shard="s1"}': '0+200x40',
    },
  },
  ChappeEventsBehind: {
    at: '15m',
    fires: {
      'chappe_gateway_event_lag_seconds{pod="g1"}': '0+20x15',
      'chappe_gateway_event_lag_seconds{pod="g2"}': '0x15',
    },
    quiet: { 'chappe_gateway_event_lag_seconds{pod="g1"}': '30x15' },
  },
  ChappeRepliesUnreadable: {
    at: '10m',
    fires: { chappe_gateway_unreadable_replies_total: '0x5 2x5' },
    quiet: { chappe_gateway_unreadable_replies_total: '7x10' },
  },
  ChappeRegistrationsFail: {
    at: '25m',
    fires: {
      'chappe_relay_registrations_total{outcome="failed"}': '0+2x25',
      'chappe_relay_registrations_total{outcome="registered"}': '0+8x25',
    },
    quiet: {
      'chappe_relay_registrations_total{outcome="failed"}': '0+1x25',
      'chappe_relay_registrations_total{outcome="refused"}': '0+9x25',
      'chappe_relay_registrations_total{outcome="registered"}': '0+20x25',
    },
  },
  ChappeRangeWithoutOwner: {
    at: '5m',
    fires: { 'chappe_coordinator_ranges{state="active",ownership="ownerless"}': '0 0 0 1 1 1' },
    quiet: {
      'chappe_coordinator_ranges{state="active",ownership="ownerless"}': '0x5',
      'chappe_coordinator_ranges{state="active",ownership="served"}': '12x5',
    },
  },
  ChappeRangeStuck: {
    at: '6m',
    fires: {
      'chappe_coordinator_ranges{state="active",ownership="stuck"}': '0 0 1 1 0 0 0',
      'chappe_coordinator_ranges{state="active",ownership="taking"}': '0 0 0 0 1 1 1',
    },
    quiet: {
      'chappe_coordinator_ranges{state="active",ownership="stuck"}': '0 1 0 1 0 1 1',
      'chappe_coordinator_ranges{state="active",ownership="taking"}': '0x6',
    },
  },
  ChappeStoreRolledBack: {
    at: '2m',
    fires: { 'chappe_sender_stopped_ranges{shard="s1",cause="rolled_back"}': '0 0 3' },
    quiet: {
      'chappe_sender_stopped_ranges{shard="s1",cause="rolled_back"}': '0x2',
      'chappe_sender_stopped_ranges{shard="s1",cause="log"}': '1x2',
    },
  },
  ChappeRangeStopped: {
    at: '2m',
    fires: { 'chappe_sender_stopped_ranges{shard="s1",cause="log"}': '0 0 1' },
    quiet: {
      'chappe_sender_stopped_ranges{shard="s1",cause="rolled_back"}': '3x2',
      'chappe_sender_stopped_ranges{shard="s1",cause="log"}': '0x2',
    },
  },
  ChappeRangeFails: {
    at: '15m',
    fires: { 'chappe_sender_alarms_total{shard="s1",alarm="range_failed"}': '0+1x15' },
    quiet: { 'chappe_sender_alarms_total{shard="s1",alarm="range_failed"}': '0x8 2x7' },
  },
  ChappeNoLeader: {
    at: '4m',
    fires: { 'chappe_coordinator_leading{pod="c1"}': '1 1 0 0 0', 'chappe_coordinator_leading{pod="c2"}': '0x4' },
    quiet: { 'chappe_coordinator_leading{pod="c1"}': '1 1 0 0 0', 'chappe_coordinator_leading{pod="c2"}': '0 0 1 1 1' },
  },
  ChappeCoordinatorBlind: {
    at: '6m',
    fires: { 'chappe_coordinator_looked_timestamp_seconds{pod="c1"}': '0 60 120 120 120 120 120' },
    quiet: { 'chappe_coordinator_looked_timestamp_seconds{pod="c1"}': '0+60x6' },
  },
  ChappeRelayLinksMissing: {
    at: '5m',
    fires: {
      'chappe_relay_links{pod="r1"}': '4x5',
      'chappe_relay_links{pod="r2"}': '3x5',
      [zoneOf('shards', 'a')]: '2x5',
      [zoneOf('shards', 'b')]: '2x5',
    },
    quiet: {
      'chappe_relay_links{pod="r1"}': '4x5',
      'chappe_relay_links{pod="r2"}': '4x5',
      [zoneOf('shards', 'a')]: '2x5',
      [zoneOf('shards', 'b')]: '2x5',
    },
  },
  ChappeServiceDown: {
    at: '10m',
    // One is not ready, the other is not there any more.
    fires: { [pod('crypto', 'a')]: '1x5 0x5', [pod('crypto', 'b')]: '1x5 stale', [pod('sender', 'a')]: '1x10' },
    quiet: { [pod('crypto', 'a')]: '1x5 0x5', [pod('crypto', 'b')]: '1x10', [pod('sender', 'a')]: '1x10' },
  },
  ChappeRedundancyLost: {
    at: '15m',
    fires: {
      [pod('relay', 'a')]: '1x15',
      [pod('relay', 'b')]: '1x5 stale',
      [pod('sender', 'a')]: '1x15',
      [pod('sender', 'b')]: '1x15',
    },
    // All of it in one zone, as it always was.
    quiet: { [pod('relay', 'a')]: '1x15', [pod('relay', 'a', 'relay-a2')]: '1x15', [pod('sender', 'a')]: '1x15' },
  },
  ChappeCopiesInOneZone: {
    at: '10m',
    fires: {
      'chappe_coordinator_topics{copies="one_zone"}': '0x5 20x5',
      'chappe_coordinator_topics{copies="whole"}': '20x5 0x5',
    },
    // A broker of each zone was away.
    quiet: {
      'chappe_coordinator_topics{copies="one_zone"}': '0x10',
      'chappe_coordinator_topics{copies="reduced"}': '0x5 20x5',
    },
  },
  ChappeNotReady: {
    at: '20m',
    fires: { [pod('gateway', 'a')]: '1x15', [pod('gateway', 'b')]: '1x5 0x15' },
    quiet: { [pod('gateway', 'a')]: '1x20', [pod('gateway', 'b')]: '1x5 0x5 1x10' },
  },
  ChappeZoneCannotCarry: {
    at: '20m',
    fires: {
      [zoneOf('capacity_commands', 'a')]: '3000x20',
      [zoneOf('capacity_commands', 'b')]: '1500x20',
      [zoneOf('load_commands', 'a')]: '1000x20',
      [zoneOf('load_commands', 'b')]: '800x20',
      [zoneOf('shards', 'a')]: '2x20',
      [zoneOf('shards', 'b')]: '1x20',
    },
    quiet: {
      [zoneOf('capacity_commands', 'a')]: '3000x20',
      [zoneOf('capacity_commands', 'b')]: '3000x20',
      [zoneOf('load_commands', 'a')]: '1500x20',
      [zoneOf('load_commands', 'b')]: '1400x20',
      [zoneOf('shards', 'a')]: '2x20',
      [zoneOf('shards', 'b')]: '2x20',
    },
  },
  ChappeCapacityLow: {
    at: '20m',
    fires: { [zoneOf('capacity_commands', 'a')]: '1500x20', [zoneOf('load_commands', 'a')]: '1300x20' },
    quiet: { [zoneOf('capacity_commands', 'a')]: '1500x20', [zoneOf('load_commands', 'a')]: '1100x20' },
  },
  ChappeCallsFail: {
    at: '15m',
    fires: {
      'chappe_rpc_client_failures_total{component="sender",service="chappe.internal.v1.PreKeyService",method="Claim",code="14"}':
        '0+90x15',
    },
    quiet: {
      'chappe_rpc_client_failures_total{component="sender",service="chappe.internal.v1.PreKeyService",method="Claim",code="14"}':
        '0+30x15',
      [`chappe_rpc_client_failures_total{component="sender",${cryptoCalls},code="14"}`]: '0+900x15',
    },
  },
  ChappeCryptoUnavailable: {
    at: '10m',
    // Nobody is there to serve any call.
    fires: {
      [`chappe_rpc_client_failures_total{component="sender",${cryptoCalls},code="14"}`]: '0+30x10',
      [pod('sender', 'a')]: '1x10',
    },
    // A replica restarts: some attempts fail and are repeated at the other.
    quiet: {
      [`chappe_rpc_client_failures_total{component="sender",${cryptoCalls},code="14"}`]: '0+3x10',
      [`chappe_rpc_server_seconds_count{${cryptoCalls},code="0"}`]: '0+600x10',
      [pod('sender', 'a')]: '1x10',
    },
  },
  ChappeCryptoSlow: {
    at: '20m',
    fires: {
      'chappe_crypto_call_seconds_bucket{operation="encrypt",le="0.5"}': '0+80x20',
      'chappe_crypto_call_seconds_bucket{operation="encrypt",le="2"}': '0+100x20',
      'chappe_crypto_call_seconds_bucket{operation="encrypt",le="+Inf"}': '0+100x20',
    },
    quiet: {
      'chappe_crypto_call_seconds_bucket{operation="encrypt",le="0.5"}': '0+100x20',
      'chappe_crypto_call_seconds_bucket{operation="encrypt",le="2"}': '0+100x20',
      'chappe_crypto_call_seconds_bucket{operation="encrypt",le="+Inf"}': '0+100x20',
    },
  },
  ChappeSealBroken: {
    at: '10m',
    fires: { 'chappe_crypto_session_failures_total{operation="encrypt",failure="seal_broken"}': '0x5 1x5' },
    quiet: {
      'chappe_crypto_session_failures_total{operation="encrypt",failure="seal_broken"}': '0x10',
      'chappe_crypto_session_failures_total{operation="encrypt",failure="bundle_invalid"}': '0+1x10',
    },
  },
  ChappeKeyRotationDue: {
    at: '70m',
    fires: { 'chappe_crypto_key_encryption_key_seconds{pod="x1"}': `${366 * day}x70` },
    quiet: { 'chappe_crypto_key_encryption_key_seconds{pod="x1"}': `${364 * day}x70` },
  },
  ChappeKeysNotDestroyed: {
    at: '70m',
    fires: {
      'chappe_crypto_oldest_key_seconds{kind="data"}': `${68 * day}x70`,
      'chappe_crypto_key_life_seconds{kind="data"}': `${65 * day}x70`,
    },
    quiet: {
      'chappe_crypto_oldest_key_seconds{kind="data"}': `${66 * day}x70`,
      'chappe_crypto_key_life_seconds{kind="data"}': `${65 * day}x70`,
      'chappe_crypto_oldest_key_seconds{kind="prekey"}': `${40 * day}x70`,
      'chappe_crypto_key_life_seconds{kind="prekey"}': `${45 * day}x70`,
    },
  },
  ChappeCertificateExpiring: {
    at: '70m',
    fires: { [certificate]: `${13 * day}x70` },
    quiet: { [certificate]: `${15 * day}x70` },
  },
  ChappeCertificateExpires: {
    at: '10m',
    fires: { [certificate]: `${day / 2}x10` },
    quiet: { [certificate]: `${2 * day}x10` },
  },
  ChappeLedgerBehind: {
    at: '15m',
    fires: { 'chappe_billing_lag_seconds{pod="b1"}': '0+20x15' },
    quiet: { 'chappe_billing_lag_seconds{pod="b1"}': '0 90 0 90 0 90 0 90 0 90 0 90 0 90 0 90' },
  },
  ChappeLateBookings: {
    at: '10m',
    fires: { 'chappe_billing_bookings_total{outcome="late"}': '0x5 1x5' },
    quiet: {
      'chappe_billing_bookings_total{outcome="late"}': '4x10',
      'chappe_billing_bookings_total{outcome="repeat"}': '0+5x10',
    },
  },
};
