/**
 * A log whose seals take effect as Kafka's do: whether a topic is sealed is looked at when an append comes, and what
 * passed comes to rest a moment later, perhaps after the seal. Only when that is over the end is one that stays.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { LogError } from '@chappe/log/log-error';
import type { Append, AppendResult, Log } from '@chappe/log/log';
import { appendOne } from '../faults/append-one.ts';
import { replacing } from '../faults/replacing.ts';
import type { Faults } from './faults.ts';

/** Most appends take next to nothing of it. */
const appendMsMax = 90;
/** As `sealSettleMs` of the Kafka driver. */
const settleMs = 100;

export function settlingLog(log: Log, faults: Faults): Log {
  const sealed = new Set<string>();
  const appended = async (append: Append): Promise<AppendResult> => {
    const { topic } = append;
    if (sealed.has(topic)) return { kind: 'failed', error: new LogError('sealed', `${topic} is sealed`) };
    await pause(appendMsMax * faults.number(`append to ${topic}`) ** 6);
    return appendOne(log, append);
  };
  const members: Partial<Log> = {
    append: (appends) => Promise.all(appends.map(appended)),
    deleteTopic: async (topic) => {
      await log.deleteTopic(topic);
      sealed.delete(topic);
    },
    seal: async (topics) => {
      for (const topic of topics) await log.end(topic);
      for (const topic of topics) sealed.add(topic);
    },
    sealedEnd: async (topic) => {
      if (sealed.has(topic)) {
        await pause(settleMs);
        await log.seal([topic]);
      }
      return log.sealedEnd(topic);
    },
  };
  return replacing(log, members);
}
