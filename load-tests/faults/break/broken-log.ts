/** A log in which one rule is broken. */
import type { Append, AppendResult, Log, LogReader } from '@chappe/log/log';
import { setTimeout as pause } from 'node:timers/promises';
import { appendOne } from '../append-one.ts';
import { replacing } from '../replacing.ts';
import type { NewestStates } from './newest-states.ts';
import type { Rule } from './rules.ts';

/** So rarely that a run of some hundred messages works but for the rule. */
const oneIn = 15;
const lateMs = 700;

/** @param newest what the same process has committed, by `brokenStore` */
export function brokenLog(rule: Rule, log: Log, newest: NewestStates): Log {
  const endNow = (topic: string): Promise<number> => log.end(topic);
  if (rule === 'gap_unseen') return replacing(log, { openReader: losingReaders(log) });
  if (rule === 'end_unsettled') return replacing(log, { sealedEnd: endNow });
  if (rule === 'seal_skipped') return replacing(log, { seal: async () => undefined, sealedEnd: endNow });
  const append = appendOf(rule, log, newest);
  return append === undefined ? log : replacing(log, { append });
}

/** Sends that are chosen are lost on the way to the worker, which is told of no gap. */
function losingReaders(log: Log): Log['openReader'] {
  return async (topic, ...rest) => {
    const reader = await log.openReader(topic, ...rest);
    const read: LogReader['read'] = async (limits, signal) => {
      for (;;) {
        const records = await reader.read(limits, signal);
        const kept = records.filter(({ headers }) => headers.kind !== 'send' || !isChosen());
        if (kept.length > 0 || records.length === 0) return kept;
      }
    };
    return topic.startsWith('range-') ? replacing(reader, { read }) : reader;
  };
}

function appendOf(rule: Rule, log: Log, newest: NewestStates): Log['append'] | undefined {
  switch (rule) {
    case 'answer_before_append':
      return perTopic(log, 'range-', async (append) => (isChosen() ? nothingOf(append) : appendOne(log, append)));
    case 'keys_forgotten':
      // Long enough that a kill always meets messages that are in the log and not answered.
      return perTopic(log, 'range-', async (append) => {
        const result = await appendOne(log, append);
        await pause(lateMs);
        return result;
      });
    case 'overtaking':
      return perTopic(log, 'range-', async (append) => {
        if (!isChosen()) return appendOne(log, append);
        const result = await nothingOf(append, log);
        void pause(lateMs).then(() => log.append([append]));
        return result;
      });
    case 'repeats_let_through':
      return perTopic(log, 'range-', async (append) => {
        const result = await appendOne(log, append);
        if (isChosen()) await log.append([append]);
        return result;
      });
    case 'events_lost':
      return perTopic(log, 'events-', async (append) => (isChosen() ? nothingOf(append) : appendOne(log, append)));
    case 'events_shuffled':
      return perTopic(log, 'events-', async (append) => {
        if (!isChosen()) return appendOne(log, append);
        const result = await nothingOf(append, log);
        void pause(lateMs).then(() => log.append([append]));
        return result;
      });
    case 'outbox_from_state':
      return perTopic(log, 'events-', async ({ topic, records }) => {
        await pause(lateMs);
        return appendOne(log, {
          topic,
          records: records.map((record) => ({ ...record, value: newest.madeAnew(record.value) })),
        });
      });
    case 'topic_recreated':
      return perTopic(log, 'range-', async (append) => {
        const result = await appendOne(log, append);
        if (result.kind === 'appended' || result.error.kind !== 'no_topic') return result;
        await log.createTopic(append.topic);
        return appendOne(log, append);
      });
    case 'frozen_inside_transaction':
    case 'session_restored':
    case 'gap_unseen':
    case 'seal_skipped':
    case 'end_unsettled':
    case 'fence_out':
    case 'undone_passed':
    case 'done_forgotten':
    case 'offset_before_effects':
    case 'charge_lost':
    case 'reattach_skipped':
      return undefined;
  }
}

/** Topics are told apart: what is broken is broken in one kind of them. */
function perTopic(log: Log, prefix: string, append: (append: Append) => Promise<AppendResult>): Log['append'] {
  return (appends) =>
    Promise.all(appends.map((each) => (each.topic.startsWith(prefix) ? append(each) : appendOne(log, each))));
}

/** An answer as if it had been written. */
async function nothingOf({ topic }: Append, log?: Log): Promise<AppendResult> {
  const firstOffset = log === undefined ? 0 : await log.end(topic).catch(() => 0);
  return { kind: 'appended', firstOffset, appendTimeMs: Date.now() };
}

function isChosen(): boolean {
  return Math.random() * oneIn < 1;
}
