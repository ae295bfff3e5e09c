/**
 * Kannel: smsbox takes messages over HTTP and fetches the URLs of reports, bearerbox queues them and speaks to the
 * message centre; over SMPP, or to Kannel's own `fakesmsc`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { HttpApplication } from '../http-application.ts';
import { killTrees } from '../kill-trees.ts';
import { receiptDelayMs, requestsInFlight } from '../limits.ts';
import { textOf } from '../message.ts';
import type { Part } from '../process-usage.ts';
import { dataFolder, writeSettings } from '../settings.ts';
import { Smsc } from '../smpp/smsc.ts';
import type { Observer, RunningSystem, System } from '../system.ts';
import { nowMs } from '../../load/monotonic-clock.ts';
import { numberIn } from '../../load/texts.ts';
import { startServer, stopServer, type Server } from '../../stack/process-record.ts';
import { emptyFolder } from './empty-folder.ts';
import { partsOf } from './parts-of.ts';

const folder = `${dataFolder}/kannel`;
const [smppPort, fakePort, sendPort, reportPort] = [12_775, 12_776, 13_013, 18_080];

const durability =
  'a file for each message in a spool folder, written and not synced: survives the death of the process, not the loss of power';
const promises =
  'no encryption, no windows, no price; what waits in its queue leaves in no order; a message that was under way when the process died may be sent again';

export const kannelSmpp: System = {
  name: 'kannel-smpp',
  title: 'Kannel, SMPP',
  takes: `HTTP, ${requestsInFlight} requests at a time`,
  durability,
  promises,
  start: (observer) => start(observer, 'kannel-smpp.conf', startSmsc),
  startClosed: (observer) => start(observer, 'kannel-smpp.conf', startClosedSmsc),
};

export const kannelFake: System = {
  name: 'kannel-fakesmsc',
  title: 'Kannel, fakesmsc',
  takes: `HTTP, ${requestsInFlight} requests at a time`,
  durability,
  promises: `${promises}; bearerbox itself makes the report, as soon as the message is in the socket of fakesmsc`,
  start: (observer) => start(observer, 'kannel-fake.conf', startFakeSmsc),
};

interface OtherSide extends AsyncDisposable {
  readonly receiptDelayMs: number;
  readonly part: Part;
  /** Absent: it is open. */
  readonly open?: () => Promise<void>;
}

/** When bearerbox is there: the SMPP driver connects to its centre, fakesmsc connects to its driver. */
type StartOtherSide = (observer: Observer, startBearerbox: () => Promise<void>) => Promise<OtherSide>;

async function start(observer: Observer, smscSettings: string, startOtherSide: StartOtherSide): Promise<RunningSystem> {
  await using resources = new AsyncDisposableStack();
  await emptyFolder(folder, ['spool', 'reports']);
  await writeSettings(['kannel.conf', smscSettings], `${folder}/kannel.conf`, { data: folder });

  const application = resources.use(new HttpApplication(httpOptions, observer));
  await application.listen();
  const bearerbox = box('bearerbox', [13_001, 13_000]);
  const smsbox = box('smsbox', [sendPort]);
  const otherSide = resources.use(
    await startOtherSide(observer, async () => {
      resources.defer(() => stopServer(folder, bearerbox.name));
      await startServer(folder, bearerbox);
    }),
  );
  resources.defer(() => stopServer(folder, smsbox.name));
  await startServer(folder, smsbox);

  const { open } = otherSide;
  const boxes = await partsOf(folder, [bearerbox.name, smsbox.name]);
  const owned = resources.move();
  return {
    parts: [...boxes, otherSide.part],
    receiptDelayMs: otherSide.receiptDelayMs,
    inFlight: requestsInFlight,
    submit: (index, contact) => application.submit(index, contact),
    ...(open === undefined
      ? {}
      : {
          crash: async () => {
            await killTrees(boxes.map(({ pid }) => pid));
            await open();
            for (const server of [bearerbox, smsbox]) await startServer(folder, server);
          },
        }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const httpOptions = {
  port: sendPort,
  reportPort,
  pathOf: (index: number, contact: string, reportUrl: string) =>
    `/cgi-bin/sendsms?${new URLSearchParams({
      username: 'application',
      password: 'side-by-side',
      from: '33123456789',
      to: contact.slice(1),
      text: textOf(index),
      // Delivered to the phone, or not.
      'dlr-mask': '3',
      'dlr-url': `${reportUrl}&state=%d`,
    }).toString()}`,
  // "0: Accepted for delivery", or "3: Queued for later delivery" while no message centre is connected.
  isAccepted: (status: number, body: string) => status === 202 && /^[03]:/.test(body),
  saysDelivered: (query: URLSearchParams) => query.get('state') === '1',
  reportAnswer: '',
};

function box(name: string, ports: readonly number[]): Server {
  // Verbosity 2: warnings and errors.
  return { name, command: name, args: ['-v', '2', `${folder}/kannel.conf`], ports };
}

async function startSmsc(observer: Observer, startBearerbox: () => Promise<void>): Promise<OtherSide> {
  const { open, ...otherSide } = await startClosedSmsc(observer, async () => undefined);
  await open?.();
  await startBearerbox();
  return otherSide;
}

/** A centre that does not listen until it is opened. */
async function startClosedSmsc(observer: Observer, startBearerbox: () => Promise<void>): Promise<OtherSide> {
  await using resources = new AsyncDisposableStack();
  const smsc = resources.use(new Smsc((index, atMs) => observer.delivered(index, atMs)));
  await startBearerbox();
  const owned = resources.move();
  return {
    receiptDelayMs,
    part: { name: 'message centre', pid: smsc.pid, isDriver: true },
    open: () => smsc.listen(smppPort),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** fakesmsc prints each message: its time is that at which the line is read. */
async function startFakeSmsc(observer: Observer, startBearerbox: () => Promise<void>): Promise<OtherSide> {
  await startBearerbox();
  const child = spawn(
    '/usr/lib/kannel/test/fakesmsc',
    // One message of its own, which the default service takes: without any it would read them from a terminal.
    ['-H', '127.0.0.1', '-r', String(fakePort), '-m', '1', '100 200 text hello'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  createInterface({ input: child.stderr }).on('line', (line) => {
    const text = /Got message \d+: <\S+ \S+ text (.*)>$/.exec(line)?.[1];
    if (text !== undefined) observer.delivered(numberIn(text), nowMs());
  });
  return {
    receiptDelayMs: 0,
    part: { name: 'fakesmsc', pid: child.pid ?? 0, isDriver: true },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
