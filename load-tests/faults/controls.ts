/** Positive controls: a rule broken on purpose, which the checker must find. */
import { setTimeout as pause } from 'node:timers/promises';
import { members } from '../cluster/layout.ts';
import type { Member } from '../cluster/layout.ts';
import { preloadOf } from './break/preload.ts';
import { rules } from './break/rules.ts';
import type { Rule } from './break/rules.ts';
import type { FaultCluster } from './fault-cluster.ts';
import type { People } from './people.ts';
import { runRow } from './run-row.ts';
import type { RunSettings } from './run-row.ts';
import type { Row } from './row.ts';
import { senderKilled, senderStopped, senderWithoutEtcd } from './rows/senders.ts';
import { gatewayKilled } from './rows/services.ts';

export interface ControlResult {
  readonly name: Rule;
  readonly breaks: string;
  readonly during: string;
  readonly isRed: boolean;
  readonly violations: number;
  /** Of the promises that it must break. */
  readonly found: readonly string[];
}

export interface Control {
  readonly rule: Rule;
  readonly service: Member['service'];
  /** One process of the service, or absent: all of them. */
  readonly only?: string;
  /** Handsets do not know what they have shown: else they would make up for it. */
  readonly areForgetful?: boolean;
  readonly row: Row;
  /** What the checker must say at least once. */
  readonly expects: RegExp;
}

/** Nothing is done to the cluster: the broken rule shows by itself. */
const nothing: Row = {
  no: 0,
  name: 'load alone',
  injection: 'none',
  faultMs: 4_000,
  afterMs: 0,
  inject: () => Promise.resolve(),
  heal: () => Promise.resolve(),
  acceptance: () => [],
};

/** The process dies by itself. */
const dies: Row = {
  ...nothing,
  name: 'it dies by itself',
  heal: ({ cluster }) => cluster.start('sender-a1'),
  afterMs: 8_000,
};

/** As an operator's mistake does it: whoever appends next finds it missing. */
const topicDeleted: Row = {
  ...nothing,
  name: 'the topic of a range is deleted',
  injection: 'the topic is deleted behind the cluster',
  // Its owner stops with an alarm, for good.
  ruins: true,
  inject: async ({ cluster, people, note }) => {
    const contact = people.contacts[0]?.slice(1) ?? '';
    const range = (await cluster.ranges()).find(({ start, end }) => contact >= start && (end === '' || contact < end));
    await cluster.deleteTopic(`range-${range?.id ?? ''}`);
    note(`the topic of ${range?.id ?? 'no range'} is gone`);
  },
};

const controls: readonly Control[] = [
  { rule: 'fence_out', service: 'sender', row: senderWithoutEtcd, expects: /^(ONCE|ORDER|NO-LOSS|MONOTONE)/ },
  { rule: 'offset_before_effects', service: 'sender', only: 'sender-a1', row: dies, expects: /^NO-LOSS/ },
  {
    rule: 'repeats_let_through',
    service: 'sender',
    areForgetful: true,
    row: nothing,
    expects: /^ONCE: \S+ was shown twice/,
  },
  { rule: 'keys_forgotten', service: 'gateway', row: gatewayKilled, expects: /^ONCE/ },
  { rule: 'answer_before_append', service: 'gateway', row: nothing, expects: /^NO-LOSS/ },
  { rule: 'overtaking', service: 'gateway', row: nothing, expects: /^ORDER/ },
  { rule: 'events_lost', service: 'sender', row: nothing, expects: /^(NO-LOSS|MONOTONE)/ },
  { rule: 'events_shuffled', service: 'sender', row: nothing, expects: /^(NO-LOSS|MONOTONE)/ },
  { rule: 'charge_lost', service: 'billing', row: nothing, expects: /^ONCE: \S+ was delivered and not charged/ },
  { rule: 'outbox_from_state', service: 'sender', row: nothing, expects: /^(NO-LOSS|MONOTONE)/ },
  { rule: 'session_restored', service: 'sender', row: senderStopped, expects: /^SECRET: a message key/ },
  { rule: 'gap_unseen', service: 'sender', row: nothing, expects: /^NO-LOSS/ },
  { rule: 'topic_recreated', service: 'gateway', row: topicDeleted, expects: /^NO-LOSS: \S+ to \S+ was accepted/ },
  { rule: 'reattach_skipped', service: 'relay', row: senderKilled, expects: /^NO-LOSS/ },
];

/** What does not come within it does not come. */
const drainMsMax = 8_000;

const sharesMsMax = 90_000;
const lookMs = 200;

/** Under a broken rule some messages are never shown: there is nothing to wait for. */
const warmMsMax = 5_000;

/** One that a sender breaks and one that a gateway breaks. */
const short = 'answer_before_append,events_lost';

/** `all`, `short`, `none`, or rules with commas between. @throws Error */
export function chooseControls(text: string): readonly Control[] {
  if (text === 'all') return controls;
  if (text === 'none') return [];
  return (text === 'short' ? short : text).split(',').map((name) => {
    const control = controls.find(({ rule }) => rule === name);
    if (control === undefined) throw new Error(`there is no control ${name}: ${Object.keys(rules).join(', ')}`);
    return control;
  });
}

/** In a new cluster, which is of no use afterwards. */
export async function runControl(
  control: Control,
  cluster: FaultCluster,
  people: People,
  settings: RunSettings,
): Promise<ControlResult> {
  const { rule, service, only, row, expects } = control;
  const broken = servicesOf(rule, service).filter(({ name }) => only === undefined || name === only);
  await Promise.all(broken.map(({ name }) => cluster.restartWith(name, preloadOf(rule))));
  await cluster.ready();
  await untilAllHaveRanges(cluster);
  const { violations, shown } = await runRow(row, cluster, people, { ...settings, drainMsMax, warmMsMax });
  const found = violations.filter((text) => expects.test(text));
  return {
    name: rule,
    breaks: rules[rule],
    during: `row ${row.no}: ${row.name}`,
    // What stands still breaks promises for another reason.
    isRed: found.length > 0 && shown > 0,
    violations: violations.length,
    found: found.slice(0, 10),
  };
}

/** Shards that come back get their share one range after the other; a rule that one breaks shows in its ranges. */
async function untilAllHaveRanges(cluster: FaultCluster): Promise<void> {
  const senders = members.filter(({ service }) => service === 'sender');
  for (const endMs = performance.now() + sharesMsMax; ;) {
    const owners = new Set((await cluster.ranges()).map(({ owner }) => owner));
    if (senders.every(({ name }) => owners.has(name))) return;
    if (performance.now() > endMs) throw new Error('not every sender has ranges');
    await pause(lookMs);
  }
}

/** Repeats must be in the log before a sender can let them through. */
function servicesOf(rule: Rule, service: Member['service']): readonly Member[] {
  const services = rule === 'repeats_let_through' ? ['gateway', service] : [service];
  return members.filter((member) => services.includes(member.service));
}
