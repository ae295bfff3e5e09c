/**
 * What runs in the processes of a simulated cluster: the services' own code, handed drivers that reach log, store and
 * coordination over the simulated network.
 */
import { startCoordinator } from '@chappe/coordinator/coordinator';
import { ChappeError } from '@chappe/errors/chappe-error';
import { startEventConsumer } from '@chappe/event-consumer/event-consumer';
import type { EventFrame } from '@chappe/proto/internal/events';
import { CommandAppender } from '@chappe/ranges/command-appender';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { borrowed } from '@chappe/store/borrowed-store';
import type { SqlValue, Table, Transaction } from '@chappe/store/store';
import { Registry } from 'prom-client';
import { replacing } from '../faults/replacing.ts';
import type { Program } from './machine.ts';
import { businessOf } from './people.ts';
import { coordinationOf, logOf, storeOf, type Site } from './site.ts';
import { recordOf, type Answer, type Submission } from './submissions.ts';
import type { Life } from './virtual-time.ts';

/** Where the ranges are cut at the beginning. */
const initialBounds = ['2', '4', '6'];
export const eventBuckets = 2;

/** Says nothing: the trace is told by the services' own events. */
export const silentLogger = openTelemetry({ service: 'simulation', level: 'silent' }).log;

export function coordinatorProgram(site: Site): Program {
  return async (life) =>
    startCoordinator({
      instance: life.label,
      coordination: coordinationOf(site, 'coordinator', life),
      log: logOf(site, 'coordinator', life),
      telemetry: { log: alarmingLogger(site, life), metrics: new Registry() },
      initialBounds,
      eventBuckets,
      decisions: site.decisions,
      firstStore: { id: 'main', address: 'sqlite:store' },
      openStore: async ({ id }) => borrowed(storeOf(site, 'coordinator', life, id)),
    });
}

/** What a coordinator calls an error a person must look at. */
function alarmingLogger({ alarms }: Site, { label }: Life): typeof silentLogger {
  return replacing(silentLogger, {
    error: (_fields: unknown, message: string) => alarms.push(`${label}: ${message}`),
  });
}

/** A gateway as far as its way to the log: what is submitted becomes commands. */
export function gatewayProgram(site: Site): Program {
  return async (life) => {
    const table = await watchRoutingTable(coordinationOf(site, 'gateway', life));
    const appender = new CommandAppender({ log: logOf(site, 'gateway', life), table });
    const send = (submissions: readonly Submission[]): Promise<Answer[]> =>
      Promise.all(submissions.map((submission) => appendOne(appender, submission)));
    site.gateways.set(life.name, { life, send });
    return {
      [Symbol.asyncDispose]: async () => {
        await appender[Symbol.asyncDispose]();
        await table[Symbol.asyncDispose]();
      },
    };
  };
}

async function appendOne(appender: CommandAppender, submission: Submission): Promise<Answer> {
  try {
    const business = submission.kind === 'message' ? businessOf(submission.number) : undefined;
    await appender.append(submission.contact, recordOf(submission), business);
    return { kind: 'accepted' };
  } catch (error) {
    if (!(error instanceof ChappeError)) throw error;
    return { kind: 'refused', detail: error.message };
  }
}

/** Events that were told to the business, and deliveries that were charged; each once, by its id. */
const toldTable: Table = { name: 'told', key: ['id'], columns: ['id', 'message_id', 'state'] };
const bookedTable: Table = { name: 'booked', key: ['message_id'], columns: ['message_id'] };
export const eventTables = [
  'CREATE TABLE told (id TEXT PRIMARY KEY, message_id TEXT NOT NULL, state TEXT NOT NULL) STRICT',
  'CREATE TABLE booked (message_id TEXT PRIMARY KEY) STRICT',
];

export function consumerProgram(site: Site): Program {
  return async (life) =>
    startEventConsumer({
      name: 'business',
      buckets: eventBuckets,
      instance: life.label,
      coordination: coordinationOf(site, 'consumer', life),
      log: logOf(site, 'consumer', life),
      store: storeOf(site, 'consumer', life),
      logger: silentLogger,
      handle: tellAndBook,
    });
}

async function tellAndBook(tx: Transaction, frames: EventFrame[]): Promise<void> {
  const told = new Map<string, SqlValue[]>();
  for (const { id, kind } of frames.flatMap(({ events }) => events))
    if (kind.case === 'state' && !told.has(id)) told.set(id, [id, kind.value.messageId, kind.value.state]);
  if (told.size === 0) return;
  const known = await tx.query(`SELECT id FROM told WHERE id IN (${[...told].map(() => '?').join(', ')})`, [
    ...told.keys(),
  ]);
  for (const { id } of known) told.delete(String(id));
  const rows = [...told.values()];
  await tx.insert(toldTable, rows, 'fail');
  const delivered = rows.filter(([, , state]) => state === 'delivered').map(([, messageId = null]) => [messageId]);
  await tx.insert(bookedTable, delivered, 'fail');
}
