/** What the dashboards show. Each metric of docs/metrics.md is in one of them, in a rule, or has a reason in the test. */
import { figure, lines, percentiles, rate, stacked, type Dashboard } from './dashboard.ts';

const ofKind = (metric: string, label: string, where?: string): [string, string] => [
  rate(metric, label, where),
  `{{${label}}}`,
];
const ourFault = '{@,code=~"1011|1014|1016|1023|3008|3010"}';

const overview: Dashboard = {
  name: 'overview',
  title: 'overview',
  description: 'Whether messages go through, and how much more would.',
  panels: [
    lines(
      'Throughput against capacity',
      'cps',
      'Commands a second that senders do, and what they say they can; messages accepted by gateways.',
      ['sum (chappe_coordinator_zone_capacity_commands{@})', 'capacity'],
      ['sum (chappe_coordinator_zone_load_commands{@})', 'load'],
      ['chappe:accepted_messages:rate1m{@}', 'messages accepted'],
    ),
    figure('Utilisation', 'percentunit', 'Load by capacity, of all senders. Above 80 % add senders.', [
      'chappe:utilisation:ratio{@}',
      'of capacity',
    ]),
    lines(
      'Age of the backlog',
      's',
      'The oldest command that was read and is not done, of the worst shard. Seconds: all is well.',
      ['max (chappe_sender_oldest_command_seconds{@})', 'oldest command'],
      ['max (chappe_gateway_event_lag_seconds{@})', 'oldest event'],
      ['max (chappe_billing_lag_seconds{@})', 'oldest booking'],
    ),
    stacked(
      'Accepted and refused',
      'mps',
      'Answers of gateways. The codes are those of docs/errors.md; 0 is accepted.',
      ofKind('chappe_gateway_messages_total', 'code'),
    ),
    stacked(
      'How messages end',
      'mps',
      'States that messages enter; one that was read was delivered before.',
      ofKind('chappe_sender_ended_total', 'state'),
    ),
    stacked(
      'Why messages fail',
      'mps',
      'By the name of the reason in docs/errors.md. Nothing: none fails.',
      ofKind('chappe_sender_ended_total', 'reason', '{@,state="failed"}'),
    ),
    lines(
      'From accepted to delivered',
      's',
      'Until the first device has acknowledged; phones that are away make the upper line long.',
      ['chappe:stage_seconds:p50{@,stage="delivered"}', 'p50'],
      ['chappe:stage_seconds:p99{@,stage="delivered"}', 'p99'],
    ),
    lines(
      'Commands that wait',
      'short',
      'Behind the ends of range topics, and held until a person has looked.',
      ['sum (chappe_sender_lag_commands{@})', 'behind'],
      ['sum (chappe_sender_held_commands{@})', 'held'],
    ),
    stacked('Ready pods', 'none', 'Pods that say they are ready, by service.', [
      'count by (component) (chappe_process_ready{@} == 1)',
      '{{component}}',
    ]),
    lines(
      'Refused by our fault',
      'percentunit',
      'Share of answers that refuse a message for reasons which pass: not ready, overloaded, log or database away.',
      [
        `${rate('chappe_gateway_messages_total', '', ourFault)} / ${rate('chappe_gateway_messages_total', '')} or vector(0)`,
        'refused',
      ],
    ),
    lines(
      'People connected',
      'short',
      'Devices with an open connection, and event streams of businesses.',
      ['sum (chappe_relay_connections{@})', 'devices'],
      ['sum (chappe_gateway_subscribers{@})', 'event streams'],
    ),
    lines('Alerts', 'none', 'Alerts of the chart that fire now. Nothing: none does.', [
      'count by (alertname) (ALERTS{alertname=~"Chappe.*",alertstate="firing",job=~"$job"})',
      '{{alertname}}',
    ]),
  ],
};

const ranges: Dashboard = {
  name: 'ranges',
  title: 'ranges and ownership',
  description: 'Who works on which share of the numbers, and whether they get on.',
  panels: [
    stacked('Ranges by what their owner does', 'none', 'All of them are to be served. As the leader sees them.', [
      'sum by (ownership) (chappe_coordinator_ranges{@,state="active"})',
      '{{ownership}}',
    ]),
    stacked('Ranges by state', 'none', 'Filling, draining and sealed ones come with a change of bounds.', [
      'sum by (state) (chappe_coordinator_ranges{@})',
      '{{state}}',
    ]),
    stacked('Ranges of each shard', 'none', 'Ranges that are worked on, as shards count them.', [
      'sum by (shard) (chappe_sender_ranges{@})',
      '{{shard}}',
    ]),
    lines('Who leads', 'none', '1: this coordinator leads. One of them does.', [
      'chappe_coordinator_leading{@}',
      '{{pod}}',
    ]),
    lines('Since the leader looked', 's', 'It looks each second.', [
      'time() - max (chappe_coordinator_looked_timestamp_seconds{@})',
      'ago',
    ]),
    lines(
      'Ranges given, looks that failed',
      'cps',
      'Ranges change owners at starts, takeovers and to balance.',
      [rate('chappe_coordinator_assignments_total', ''), 'ranges given'],
      [rate('chappe_coordinator_failures_total', ''), 'looks failed'],
    ),
    stacked(
      'Commands of each shard',
      'cps',
      'Commands of range topics that were done.',
      ofKind('chappe_sender_commands_total', 'shard'),
    ),
    lines('Age of the backlog of each shard', 's', 'The oldest command that was read and is not done.', [
      'max by (shard) (chappe_sender_oldest_command_seconds{@})',
      '{{shard}}',
    ]),
    stacked('Commands that wait at each shard', 'short', 'Behind the ends of its ranges, looked for each 10 s.', [
      'sum by (shard) (chappe_sender_lag_commands{@})',
      '{{shard}}',
    ]),
    stacked('Read ahead at each shard', 'short', 'Read and not done; with a batch or more, businesses take turns.', [
      'sum by (shard) (chappe_sender_read_ahead_commands{@})',
      '{{shard}}',
    ]),
    lines(
      'Businesses above their share',
      'none',
      'Refused (1016) in a range until they have less of what waits there; counted in each range.',
      ['sum by (shard) (chappe_sender_businesses_above_share{@})', '{{shard}}'],
    ),
    lines(
      'Ranges that do not get on',
      'none',
      'Stuck ones are tried again; stopped ones wait until a person has looked.',
      ['sum (chappe_sender_stuck_ranges{@})', 'stuck'],
      ['sum by (cause) (chappe_sender_stopped_ranges{@})', 'stopped: {{cause}}'],
    ),
    lines(
      'Alarms',
      'cps',
      'What a person must look at; docs/metrics.md says what each is.',
      ofKind('chappe_sender_alarms_total', 'alarm'),
    ),
    lines(
      'Turns made again',
      'cps',
      'Crypto, relay or database did not answer; nothing of the turn has left.',
      ofKind('chappe_sender_turns_refused_total', 'shard'),
    ),
    percentiles(
      'Steps of reshapes',
      'Split, merge and moved bounds; nothing: there was none.',
      'chappe_coordinator_reshape_step_seconds',
      'step',
    ),
    percentiles(
      'Appends that waited for a reshape',
      'In gateways; senders wait as long for their answers. Nothing: no range was replaced.',
      'chappe_gateway_append_held_seconds',
      'pod',
    ),
    stacked(
      'Reshapes',
      'short',
      'That came to an end in the last hour, and records that lay beyond a seal.',
      ['sum by (outcome) (increase(chappe_coordinator_reshapes_total{@}[1h]))', '{{outcome}}'],
      ['sum (increase(chappe_coordinator_late_records_total{@}[1h]))', 'late records'],
    ),
    stacked(
      'Decisions by load',
      'short',
      'Splits, merges and moves of the last hour that nobody asked for; `chappe journal` has each with its reason.',
      ['sum by (kind) (increase(chappe_coordinator_decisions_total{@}[1h]))', '{{kind}}'],
    ),
    lines(
      'How uneven the load is',
      'none',
      'What the fullest shard has of its capacity, by what all have of theirs. 1: even; `chappe plan` says why it is not.',
      ['max (chappe_coordinator_imbalance_ratio{@})', 'fullest shard'],
    ),
    lines(
      'How many senders there should be',
      'none',
      'With sender.scaling: what the leader wants, and why; senders that are alive.',
      ['max by (reason) (chappe_coordinator_desired_senders{@})', 'wanted: {{reason}}'],
      ['sum (chappe_coordinator_zone_shards{@})', 'alive'],
    ),
    lines('Commands that come in', 'cps', 'With sender.scaling: by the ends of the topics, over 30 s.', [
      'max (chappe_coordinator_arrivals_commands{@})',
      'come in',
    ]),
    lines(
      'Backlog and the sender that goes',
      's',
      'With sender.scaling: age of the oldest command; how long a sender that is to go has kept ranges, of which 300 s are the most.',
      ['max (chappe_coordinator_backlog_age_seconds{@})', 'oldest command'],
      ['max (chappe_coordinator_scale_down_drain_seconds{@})', 'keeps ranges'],
    ),
    stacked(
      'Senders added, removed and emptied',
      'short',
      'In the last hour, by what was done and because of what; looks at the load or Kubernetes that failed.',
      ['sum by (step) (increase(chappe_coordinator_scale_steps_total{@}[1h]))', 'sender {{step}}'],
      ['sum by (by, change) (increase(chappe_coordinator_drains_total{@}[1h]))', '{{by}}: {{change}}'],
      ['sum (increase(chappe_coordinator_placement_failures_total{@}[1h]))', 'looks failed'],
    ),
  ],
};

const message: Dashboard = {
  name: 'message',
  title: "a message's stages",
  description: 'Where the time of a message goes, from the API to the phone.',
  panels: [
    percentiles(
      '1 Gateway: keys and append',
      'The transaction of a batch of idempotency keys; then one message, until the log has it: accepted.',
      'chappe_gateway_stage_seconds',
      'stage',
    ),
    percentiles(
      '2 Accepted to encrypted',
      'Until the first envelope is committed, and pushed where the device is attached.',
      'chappe_sender_stage_seconds',
      'stage',
      '{@,stage="encrypted"}',
    ),
    percentiles(
      '3 Pushed to acknowledged',
      'From the push of an envelope until its acknowledgement is committed: relay, network and phone.',
      'chappe_sender_stage_seconds',
      'stage',
      '{@,stage="acknowledged"}',
    ),
    percentiles(
      'Accepted to delivered',
      'The whole way, phones that are away included.',
      'chappe_sender_stage_seconds',
      'stage',
      '{@,stage="delivered"}',
    ),
    lines(
      'A turn of a range worker',
      's',
      'Up to its transaction, crypto included; and the transaction.',
      [
        'histogram_quantile(0.5, sum by (le) (rate(chappe_sender_prepare_seconds_bucket{@}[$__rate_interval])))',
        'prepare p50',
      ],
      [
        'histogram_quantile(0.99, sum by (le) (rate(chappe_sender_prepare_seconds_bucket{@}[$__rate_interval])))',
        'prepare p99',
      ],
      [
        'histogram_quantile(0.5, sum by (le) (rate(chappe_sender_commit_seconds_bucket{@}[$__rate_interval])))',
        'commit p50',
      ],
      [
        'histogram_quantile(0.99, sum by (le) (rate(chappe_sender_commit_seconds_bucket{@}[$__rate_interval])))',
        'commit p99',
      ],
    ),
    lines(
      'Sizes of batches',
      'short',
      'Messages in one transaction on the average: they grow with the load.',
      [
        `${rate('chappe_gateway_batch_messages_sum', '')} / ${rate('chappe_gateway_batch_messages_count', '')}`,
        'gateway',
      ],
      [`${rate('chappe_sender_batch_commands_sum', '')} / ${rate('chappe_sender_batch_commands_count', '')}`, 'sender'],
    ),
    lines(
      'Let through',
      'mps',
      'Messages that range workers let through, envelopes that relays hand to devices.',
      [rate('chappe_sender_accepted_total', ''), 'let through'],
      [rate('chappe_relay_pushed_envelopes_total', ''), 'handed to devices'],
    ),
    stacked(
      'Pushes that come again',
      'cps',
      'Why a relay did not hand an envelope on. Nothing: it did.',
      ofKind('chappe_relay_dropped_pushes_total', 'reason'),
    ),
    stacked('Commands of devices', 'cps', 'Replies, blocks and registrations, by what became of them.', [
      rate('chappe_relay_commands_total', 'kind, outcome'),
      '{{kind}} {{outcome}}',
    ]),
    stacked(
      'Commands without effect',
      'cps',
      'Repeats and the like; docs/metrics.md has the reasons.',
      ofKind('chappe_sender_dropped_total', 'reason'),
    ),
    stacked(
      'Envelopes that devices cannot read',
      'cps',
      'They are made anew under a new session. Nothing: all can be read.',
      ofKind('chappe_sender_undecryptable_total', 'reason'),
    ),
    lines('Events to businesses', 'cps', 'Events that were stored for their businesses.', [
      rate('chappe_gateway_events_total', ''),
      'events',
    ]),
  ],
};

const zones: Dashboard = {
  name: 'zones',
  title: 'zones',
  description: 'What each zone has and does, and what would be left without it.',
  panels: [
    lines(
      'Could each zone carry the load',
      'cps',
      'What is left without a zone has to stay above the load.',
      ['chappe:capacity_without_zone_commands:sum{@}', 'without {{shard_zone}}'],
      ['chappe:load_commands:sum{@}', 'load'],
    ),
    stacked('Load of each zone', 'cps', 'Commands a second, as measured.', [
      'sum by (shard_zone) (chappe_coordinator_zone_load_commands{@})',
      '{{shard_zone}}',
    ]),
    stacked('Capacity of each zone', 'cps', 'Commands a second, of the shards that stay.', [
      'sum by (shard_zone) (chappe_coordinator_zone_capacity_commands{@})',
      '{{shard_zone}}',
    ]),
    stacked('Shards', 'none', 'Living ones, as the leader sees them.', [
      'sum by (shard_zone) (chappe_coordinator_zone_shards{@})',
      '{{shard_zone}}',
    ]),
    stacked('Ranges', 'none', 'That the shards of a zone work on.', [
      'sum by (shard_zone) (chappe_coordinator_zone_ranges{@})',
      '{{shard_zone}}',
    ]),
    stacked('Copies of topics', 'none', 'one_zone: what is accepted now is lost with the disks of that zone.', [
      'sum by (copies) (chappe_coordinator_topics{@})',
      '{{copies}}',
    ]),
    lines('Zones with ready pods of each service', 'none', 'One: the loss of that zone is the loss of the service.', [
      'count by (component) (chappe:ready_pods:count{@})',
      '{{component}}',
    ]),
    stacked('Ready pods of each zone', 'none', 'By zone of the node.', [
      'sum by (zone) (chappe:ready_pods:count{@})',
      '{{zone}}',
    ]),
    stacked(
      'Messages accepted in each zone',
      'mps',
      'By the zone of the gateway that answered.',
      ofKind('chappe_gateway_messages_total', 'zone', '{@,code="0"}'),
    ),
    stacked('Devices connected in each zone', 'short', 'By the zone of the relay.', [
      'sum by (zone) (chappe_relay_connections{@})',
      '{{zone}}',
    ]),
    stacked('Devices attached at each shard', 'short', 'Through relays, in whatever zone.', [
      'sum by (shard) (chappe_sender_attached_devices{@})',
      '{{shard}}',
    ]),
    lines('Streams from relays to shards', 'none', 'Each relay has one to each shard.', [
      'chappe_relay_links{@}',
      '{{pod}}',
    ]),
    lines(
      'Calls that fail',
      'cps',
      'Attempts at other services that got no answer, by who called whom. Nothing: all were answered.',
      [
        rate('chappe_rpc_client_failures_total', 'component, service', '{@,code=~"4|14"}'),
        '{{component}} to {{service}}',
      ],
    ),
  ],
};

const crypto: Dashboard = {
  name: 'crypto',
  title: 'crypto and keys',
  description: 'What crypto does, and how old keys and certificates are.',
  panels: [
    stacked('Messages', 'cps', 'Encrypted and decrypted, by what became of them.', [
      rate('chappe_crypto_operations_total', 'operation, result'),
      '{{operation}} {{result}}',
    ]),
    percentiles(
      'Calls',
      'Of range workers, waiting for their turn included.',
      'chappe_crypto_call_seconds',
      'operation',
    ),
    stacked(
      'Sessions that fail as a whole',
      'cps',
      'Broken seals and missing keys want a person; others are started anew.',
      [rate('chappe_crypto_session_failures_total', 'operation, failure'), '{{operation}} {{failure}}'],
    ),
    lines('Age of the key-encryption key', 'd', 'Since it wrapped for the first time. A year: rotate it.', [
      'max (chappe_crypto_key_encryption_key_seconds{@}) / 86400',
      'in use',
    ]),
    lines('Keys under older key-encryption keys', 'short', 'Above 0: older ones have to stay in the file.', [
      'max (chappe_crypto_keys_wrapped_by_older{@})',
      'wrapped by older',
    ]),
    lines(
      'Oldest keys and how old they may become',
      'd',
      'Data keys and prekeys are destroyed at the end of their lives.',
      ['max by (kind) (chappe_crypto_oldest_key_seconds{@}) / 86400', 'oldest {{kind}}'],
      ['max by (kind) (chappe_crypto_key_life_seconds{@}) / 86400', 'life of {{kind}}'],
    ),
    stacked('Keys destroyed', 'short', 'In the last hour, by age.', [
      'sum by (kind) (increase(chappe_crypto_keys_destroyed_total{@}[1h]))',
      '{{kind}}',
    ]),
    lines(
      'Certificates end in',
      'd',
      'The first of each file, of the pod that has the oldest. Nothing: there is no TLS.',
      [
        '(min by (component, certificate) (chappe_tls_not_after_timestamp_seconds{@}) - time()) / 86400',
        '{{component}} {{certificate}}',
      ],
    ),
    stacked(
      'Keys of devices that were claimed',
      'cps',
      '`last_resort`: the one-time keys of a device are used up.',
      ofKind('chappe_relay_claims_total', 'key'),
    ),
  ],
};

const billing: Dashboard = {
  name: 'billing',
  title: 'billing',
  description: 'What is booked and charged, and how far the ledger is behind.',
  panels: [
    stacked(
      'Bookings',
      'cps',
      'Events of messages by what they did to the books.',
      ofKind('chappe_billing_bookings_total', 'outcome'),
    ),
    lines('Charged in an hour', 'short', 'In units of the currency, at the present rate.', [
      'sum by (currency) (rate(chappe_billing_charged_micros_total{@}[$__rate_interval])) * 3600 / 1e6',
      '{{currency}}',
    ]),
    lines('The ledger is behind by', 's', 'Age of the oldest frame of events that waits.', [
      'max (chappe_billing_lag_seconds{@})',
      'behind',
    ]),
    lines(
      'Frames of events that wait',
      'short',
      'For billing, and for the events of businesses.',
      ['sum (chappe_billing_lag_frames{@})', 'to be booked'],
      ['sum (chappe_gateway_event_lag_frames{@})', 'to be stored'],
    ),
    figure('Events contrary to what was booked', 'short', 'In the last hour; above 0 somebody should look.', [
      'sum (increase(chappe_billing_bookings_total{@,outcome="late"}[1h]))',
      'late',
    ]),
    lines('Bookings removed by age', 'cps', 'Ended ones, after 35 days; the ledger stays.', [
      rate('chappe_billing_purged_bookings_total', ''),
      'removed',
    ]),
  ],
};

const business: Dashboard = {
  name: 'business',
  title: 'per business',
  description: 'Businesses that the operator has named (gateway.countedBusinesses), and all others together.',
  panels: [
    stacked(
      'Accepted',
      'mps',
      'Messages that gateways accepted.',
      ofKind('chappe_gateway_business_messages_total', 'business', '{@,outcome="accepted"}'),
    ),
    stacked(
      'Refused',
      'mps',
      'Messages that gateways refused at once. Nothing: none.',
      ofKind('chappe_gateway_business_messages_total', 'business', '{@,outcome="refused"}'),
    ),
    stacked(
      'Delivered',
      'mps',
      'Messages whose first device has acknowledged.',
      ofKind('chappe_gateway_business_events_total', 'business', '{@,event="delivered"}'),
    ),
    lines('Share delivered', 'percentunit', 'Delivered by accepted; above 1 while a backlog is worked off.', [
      `${rate('chappe_gateway_business_events_total', 'business', '{@,event="delivered"}')} / ${rate('chappe_gateway_business_events_total', 'business', '{@,event="accepted"}')}`,
      '{{business}}',
    ]),
    stacked('Failed and expired', 'mps', 'After they were accepted.', [
      rate('chappe_gateway_business_events_total', 'business, event', '{@,event=~"failed|expired"}'),
      '{{business}} {{event}}',
    ]),
    stacked('Read, answered, opted in or out, blocked', 'cps', 'What people did.', [
      rate('chappe_gateway_business_events_total', 'business, event', '{@,event=~"read|received|opt_in|block"}'),
      '{{business}} {{event}}',
    ]),
  ],
};

const services: Dashboard = {
  name: 'services',
  title: 'services',
  description: 'Processes, their calls, and what they do besides messages.',
  panels: [
    lines('Processor time', 'percentunit', 'Of one core, by process.', [
      rate('process_cpu_seconds_total', 'pod'),
      '{{pod}}',
    ]),
    lines('Resident memory', 'bytes', 'Of each process; its limit is in the values of the chart.', [
      'max by (pod) (process_resident_memory_bytes{@})',
      '{{pod}}',
    ]),
    lines(
      'Event loop',
      's',
      'How late it is, 99 of 100 times; 0.1 s of it is how often it is looked. Above 0.5 s a process has too much to do.',
      ['max by (pod) (nodejs_eventloop_lag_p99_seconds{@})', '{{pod}}'],
    ),
    lines('Calls', 'cps', 'That servers have ended, by service.', ofKind('chappe_rpc_server_seconds_count', 'service')),
    lines('Calls, one in a hundred takes over', 's', 'By method, of those that ended; streams end late.', [
      'histogram_quantile(0.99, sum by (method, le) (rate(chappe_rpc_server_seconds_bucket{@,method!~".*Stream|Attach|Connect|Subscribe|Watch"}[$__rate_interval])))',
      '{{method}}',
    ]),
    lines('Calls that were refused', 'cps', 'By the number of the gRPC status. Nothing: none.', [
      rate('chappe_rpc_server_seconds_count', 'service, code', '{@,code!="0"}'),
      '{{service}} {{code}}',
    ]),
    stacked(
      'Registrations of devices',
      'cps',
      'By outcome, and one-time codes handed to the provider.',
      ofKind('chappe_relay_registrations_total', 'outcome'),
      [rate('chappe_relay_codes_sent_total', ''), 'codes sent'],
    ),
    lines('Rows deleted by age', 'cps', 'Request keys and events, after 30 days.', [
      rate('chappe_gateway_expired_rows_total', ''),
      'rows',
    ]),
    lines('Replies without their text', 'cps', 'No key opens them. Above 0: look at the log of the gateway.', [
      rate('chappe_gateway_unreadable_replies_total', ''),
      'replies',
    ]),
  ],
};

export const dashboards: readonly Dashboard[] = [overview, ranges, message, zones, crypto, billing, business, services];
