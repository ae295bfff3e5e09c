/**
 * Jasmin: jasmind takes messages over HTTP, puts them into RabbitMQ and hands them to the message centre over SMPP;
 * dlrlookupd finds the message of a receipt in Redis, dlrd fetches the URLs of reports.
 */
import { chown, rm } from 'node:fs/promises';
import { HttpApplication } from '../http-application.ts';
import { venvFolder } from '../install.ts';
import { killTrees } from '../kill-trees.ts';
import { receiptDelayMs, requestsInFlight } from '../limits.ts';
import { textOf } from '../message.ts';
import { dataFolder, writeSettings } from '../settings.ts';
import { Smsc } from '../smpp/smsc.ts';
import type { Observer, RunningSystem, System } from '../system.ts';
import { runCommand, startServer, stopServer, type Server } from '../../stack/process-record.ts';
import { emptyFolder } from './empty-folder.ts';
import { configureJasmin } from './jasmin-console.ts';
import { partsOf } from './parts-of.ts';

const folder = `${dataFolder}/jasmin`;
const [smppPort, sendPort, consolePort, reportPort] = [12_775, 1_401, 8_990, 18_080];

/** A connector submits one message at a time; Jasmin's answer to "how much" is to have several. */
const connectors = 4;

export const jasmin: System = {
  name: 'jasmin',
  title: 'Jasmin',
  takes: `HTTP, ${requestsInFlight} requests at a time`,
  durability:
    'queues in RabbitMQ that are not durable, messages that are not persistent and not confirmed (Jasmin has no setting for it): the death of RabbitMQ loses them',
  promises:
    'no encryption, no windows; a price by route; no order over several connectors; what a connector had submitted without an answer is sent again',
  start: (observer) => start(observer, 'open'),
  startClosed: (observer) => start(observer, 'closed'),
};

async function start(observer: Observer, otherSide: 'open' | 'closed'): Promise<RunningSystem> {
  await using resources = new AsyncDisposableStack();
  const values = {
    data: folder,
    spec: `${(await sitePackages()).trim()}/txamqp/specs/standard/amqp0-9-1.stripped.xml`,
  };
  const wasKilled = await emptyFolder(folder, ['etc/jasmin/store', 'redis', 'rabbitmq', 'log']);
  if (wasKilled) await removeLocks();
  for (const file of ['jasmin.cfg', 'jasmin-dlr.cfg', 'redis.conf', 'rabbitmq.conf']) {
    await writeSettings([file], `${folder}/${file}`, values);
  }

  const smsc = resources.use(new Smsc((index, atMs) => observer.delivered(index, atMs)));
  if (otherSide === 'open') await smsc.listen(smppPort);
  const application = resources.use(new HttpApplication(httpOptions, observer));
  await application.listen();
  const servers = await serversOfJasmin();
  for (const server of servers) {
    resources.defer(() => stopServer(folder, server.name));
    await startServer(folder, server);
  }
  await configureJasmin({ port: consolePort, smppPort, connectors });

  const own = await partsOf(folder, ['jasmind', 'dlrlookupd', 'dlrd', 'rabbitmq', 'redis']);
  const owned = resources.move();
  return {
    parts: [...own, { name: 'message centre', pid: smsc.pid, isDriver: true }],
    receiptDelayMs,
    inFlight: requestsInFlight,
    submit: (index, contact) => application.submit(index, contact),
    crash: async () => {
      await killTrees(own.map(({ pid }) => pid));
      await removeLocks();
      await smsc.listen(smppPort);
      for (const server of servers) await startServer(folder, server);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const httpOptions = {
  port: sendPort,
  reportPort,
  pathOf: (index: number, contact: string, reportUrl: string) =>
    `/send?${new URLSearchParams({
      username: 'application',
      password: 'sidebysi',
      from: '33123456789',
      to: contact.slice(1),
      content: textOf(index),
      dlr: 'yes',
      // Of the phone, not of the message centre.
      'dlr-level': '2',
      'dlr-method': 'GET',
      'dlr-url': reportUrl,
    }).toString()}`,
  isAccepted: (status: number, body: string) => status === 200 && body.startsWith('Success'),
  saysDelivered: (query: URLSearchParams) => query.get('message_status') === 'DELIVRD',
  reportAnswer: 'ACK/Jasmin',
};

/** In the order in which each finds what it needs. */
async function serversOfJasmin(): Promise<Server[]> {
  const environment = { ROOT_PATH: folder, LOG_PATH: `${folder}/log`, PYTHONUNBUFFERED: '1' };
  const [uid, gid] = await Promise.all(['-u', '-g'].map((option) => runCommand('id', [option, 'rabbitmq'])));
  const rabbit = { uid: Number(uid), gid: Number(gid) };
  await chown(`${folder}/rabbitmq`, rabbit.uid, rabbit.gid);
  const python = (name: string, args: readonly string[], ports: readonly number[] = []): Server => ({
    name,
    command: `${venvFolder}/bin/python`,
    args: [`${venvFolder}/bin/${name}.py`, ...args],
    environment,
    ports,
  });
  return [
    { name: 'redis', command: 'redis-server', args: [`${folder}/redis.conf`], ports: [16_379] },
    // Erlang's name server, which RabbitMQ would otherwise leave behind.
    { name: 'epmd', command: 'epmd', args: ['-address', '127.0.0.1'], ports: [4_369] },
    {
      name: 'rabbitmq',
      command: '/usr/lib/rabbitmq/bin/rabbitmq-server',
      args: [],
      environment: {
        HOME: `${folder}/rabbitmq`,
        RABBITMQ_NODENAME: 'side@localhost',
        RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
        RABBITMQ_MNESIA_BASE: `${folder}/rabbitmq/mnesia`,
        RABBITMQ_LOG_BASE: `${folder}/rabbitmq/log`,
        RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/rabbitmq/enabled_plugins`,
      },
      user: rabbit,
      ports: [5_672],
      // 8 s on an idle machine.
      readyTimeoutMs: 180_000,
    },
    python('jasmind', ['--config', `${folder}/jasmin.cfg`], [consolePort, sendPort, 14_000]),
    python('dlrlookupd', ['--config', `${folder}/jasmin-dlr.cfg`]),
    python('dlrd', ['--config', `${folder}/jasmin-dlr.cfg`]),
  ];
}

/** Jasmin's daemons do not start where one of them was killed, until somebody has removed its lock. */
async function removeLocks(): Promise<void> {
  for (const name of ['jasmind', 'dlrd-master', 'dlrlookupd-master']) await rm(`/tmp/${name}.lock`, { force: true });
}

function sitePackages(): Promise<string> {
  return runCommand(`${venvFolder}/bin/python`, [
    '-c',
    'import txamqp, pathlib; print(pathlib.Path(txamqp.__file__).parent.parent)',
  ]);
}
