/**
 * One connected device: reads its frames, writes what waits for it.
 *
 * Two loops, each pushing back: frames are not read while the log or a shard has too much of them,
 * and what a slow device does not take is not queued but pushed again later, from the mailbox.
 */
import type { CommandAppender } from '@chappe/ranges/command-appender';
import type { NewRecord } from '@chappe/log/log';
import { catalogue } from '@chappe/errors/catalogue';
import { ChappeError } from '@chappe/errors/chappe-error';
import {
  CiphertextType,
  type Acknowledge,
  type Block,
  type ConnectRequest,
  type ConnectResponse,
  type Envelope,
  type Envelopes,
  type Forget,
  type Outbound,
  type Outcome,
  type Read,
  type Resume,
} from '@chappe/proto/device/device_service';
import type { ServerStream } from '@chappe/rpc/server';
import { blockRecord, inboundRecord } from './commands.ts';
import type { RegisteredDevice } from './devices.ts';
import type { Directory } from './directory.ts';
import { Downlink } from './downlink.ts';
import type { Events } from './events.ts';
import {
  firstFrameMs,
  gatherMs,
  incarnationMax,
  messageIdCharactersMax,
  outboundBytesMax,
  outboundIdCharactersMax,
  outboundInFlightMax,
  phoneNumberDigitsMax,
  readsPerFrameMax,
  readsWaitingMax,
  reasonCharactersMax,
} from './limits.ts';
import { Signal } from './signal.ts';
import { Uplink } from './uplink.ts';

export type DeviceStream = Pick<ServerStream<ConnectRequest, ConnectResponse>, 'requests' | 'send'>;

/** What a connection tells the links to the shards. */
export interface AttachedTo {
  attach(connection: DeviceConnection): void;
  reattach(connection: DeviceConnection): void;
  /** There is an acknowledgement or a receipt to send. */
  changed(connection: DeviceConnection): void;
}

export interface DeviceConnectionDependencies {
  readonly stream: DeviceStream;
  readonly appender: Pick<CommandAppender, 'append'>;
  readonly directory: Pick<Directory, 'lookUp'>;
  readonly links: AttachedTo;
  readonly events: Events;
}

export class DeviceConnection {
  readonly device: RegisteredDevice;
  /** Grows with each connection of the device; the highest wins. */
  readonly connectionNo: bigint;
  uplink: Uplink | undefined;
  readonly #dependencies: DeviceConnectionDependencies;
  readonly #downlink = new Downlink();
  readonly #toWrite = new Signal();
  readonly #room = new Signal();
  readonly #ended = Promise.withResolvers<void>();
  #open = true;
  #inFlight = 0;
  /** Runs while there is something that the device is told later, with more of its kind. */
  #gatherTimer: NodeJS.Timeout | undefined;
  /** Envelopes were not taken because the device is slow: attach anew once it has caught up. */
  #overflowed = false;

  constructor(device: RegisteredDevice, connectionNo: bigint, dependencies: DeviceConnectionDependencies) {
    this.device = device;
    this.connectionNo = connectionNo;
    this.#dependencies = dependencies;
  }

  /** Ends when the device leaves. @throws ChappeError why it was ended */
  async run(): Promise<void> {
    const timer = setTimeout(
      () => this.end(invalid(`the first frame did not come within ${firstFrameMs} ms`)),
      firstFrameMs,
    );
    timer.unref();
    try {
      await Promise.race([this.#ended.promise, this.#readFrames(timer), this.#writeFrames()]);
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#gatherTimer);
      this.#open = false;
      this.#toWrite.set();
      this.#room.set();
    }
  }

  end(error: ChappeError): void {
    this.#ended.reject(error);
    // Nobody may be listening yet, or any more.
    this.#ended.promise.catch(() => undefined);
  }

  push({ incarnation, envelopes }: Envelopes): void {
    if (!this.#open || this.uplink === undefined) return;
    if (this.#overflowed) {
      this.#dependencies.events.dropped('slow_device');
      return;
    }
    const taken = this.uplink.take(incarnation, envelopes);
    switch (taken.kind) {
      case 'old':
        this.#dependencies.events.dropped('stale_attachment');
        return;
      case 'gap':
        this.#dependencies.events.dropped('gap');
        this.#dependencies.links.reattach(this);
        return;
      case 'taken':
        this.#enqueue(incarnation, taken.envelopes);
    }
  }

  /** The device only frees memory by it: it hears of many commits at once. */
  forget(forget: Forget): void {
    this.uplink?.forget(forget);
    this.#downlink.forget(forget);
    this.#gather();
  }

  /** The device keeps its replies until it hears of them: it hears of many at once. */
  outcome(outcome: Outcome): void {
    this.#downlink.outcome(outcome);
    this.#gather();
  }

  refill(count: number): void {
    this.#downlink.refill(count);
    this.#toWrite.set();
  }

  /** Receipts were handed to a shard. */
  sent(): void {
    this.#room.set();
  }

  #gather(): void {
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined;
      this.#downlink.releaseGathered();
      this.#toWrite.set();
    }, gatherMs).unref();
  }

  #enqueue(incarnation: number, envelopes: readonly Envelope[]): void {
    const [first] = envelopes;
    if (!this.#downlink.push(incarnation, envelopes) && first !== undefined) {
      this.uplink?.rewind(first);
      this.#overflowed = true;
      this.#dependencies.events.dropped('slow_device');
      return;
    }
    this.#toWrite.set();
  }

  async #writeFrames(): Promise<void> {
    const { stream, events, links } = this.#dependencies;
    while (this.#open) {
      const next = this.#downlink.next();
      if (next === undefined) {
        await this.#toWrite.wait();
        continue;
      }
      await stream.send(next.response);
      if (next.envelopes > 0) events.pushed(next.envelopes);
      if (next.answers > 0) {
        this.#inFlight -= next.answers;
        this.#room.set();
      }
      if (this.#overflowed && !this.#downlink.hasEnvelopes()) {
        this.#overflowed = false;
        links.reattach(this);
      }
    }
  }

  async #readFrames(firstFrameTimer: NodeJS.Timeout): Promise<void> {
    for await (const { frame } of this.#dependencies.stream.requests) {
      if (!this.#open) return;
      if (this.uplink === undefined) {
        if (frame.case !== 'resume') throw invalid('the first frame is Resume');
        clearTimeout(firstFrameTimer);
        checkResume(frame.value);
        this.uplink = new Uplink(frame.value);
        this.#dependencies.links.attach(this);
        continue;
      }
      switch (frame.case) {
        case 'resume':
          this.#resume(this.uplink, frame.value);
          break;
        case 'acknowledge':
          this.#acknowledge(this.uplink, frame.value);
          break;
        case 'read':
          await this.#read(this.uplink, frame.value);
          break;
        case 'outbound':
          await this.#outbound(frame.value);
          break;
        case 'block':
          await this.#block(frame.value);
          break;
        case undefined:
          throw invalid('a frame is of no known kind');
      }
    }
  }

  #resume(uplink: Uplink, resume: Resume): void {
    checkResume(resume);
    uplink.restart(resume);
    this.#downlink.clearEnvelopes();
    this.#overflowed = false;
    this.#dependencies.links.reattach(this);
  }

  #acknowledge(uplink: Uplink, acknowledge: Acknowledge): void {
    for (const { from, reason } of acknowledge.undecryptable) {
      if (from.length > phoneNumberDigitsMax || reason.length > reasonCharactersMax)
        throw invalid(
          `an unreadable envelope is from a number, for a reason of at most ${reasonCharactersMax} characters`,
        );
    }
    if (!uplink.acknowledge(acknowledge)) throw invalid('Acknowledge lists more envelopes than are ever pushed');
    this.#dependencies.links.changed(this);
  }

  async #read(uplink: Uplink, { messageIds }: Read): Promise<void> {
    if (messageIds.length > readsPerFrameMax || messageIds.some((id) => id.length > messageIdCharactersMax)) {
      throw invalid(`Read has at most ${readsPerFrameMax} message ids of at most ${messageIdCharactersMax} characters`);
    }
    while (this.#open && uplink.readsWaiting() > readsWaitingMax - readsPerFrameMax) await this.#room.wait();
    uplink.read(messageIds);
    this.#dependencies.links.changed(this);
  }

  async #outbound(outbound: Outbound): Promise<void> {
    const { contact, device } = this.device;
    const { id, to, ciphertext, type } = outbound;
    await this.#admit(id);
    if (ciphertext.length === 0 || ciphertext.length > outboundBytesMax) {
      this.#refuse('inbound', id, catalogue.invalidRequest.code, `ciphertext has 1 to ${outboundBytesMax} bytes`);
      return;
    }
    if (type !== CiphertextType.WHISPER && type !== CiphertextType.PRE_KEY) {
      this.#refuse('inbound', id, catalogue.invalidRequest.code, 'type is neither WHISPER nor PRE_KEY');
      return;
    }
    const business = await this.#businessOf(to);
    if (business === undefined) this.#refuse('inbound', id, catalogue.notFound.code, 'no business has this number');
    else this.#append('inbound', id, inboundRecord(contact, device, business, outbound));
  }

  async #block(block: Block): Promise<void> {
    const { contact, device } = this.device;
    await this.#admit(block.id);
    const business = await this.#businessOf(block.number);
    if (business === undefined) this.#refuse('block', block.id, catalogue.notFound.code, 'no business has this number');
    else this.#append('block', block.id, blockRecord(contact, device, business, block));
  }

  /** Counts a frame that will be answered, as soon as there is room for one more. */
  async #admit(id: string): Promise<void> {
    if (id === '' || id.length > outboundIdCharactersMax)
      throw invalid(`id has 1 to ${outboundIdCharactersMax} characters`);
    while (this.#open && this.#inFlight >= outboundInFlightMax) await this.#room.wait();
    this.#inFlight += 1;
  }

  async #businessOf(number: string): Promise<string | undefined> {
    try {
      return (await this.#dependencies.directory.lookUp(number))?.business;
    } catch (error) {
      throw new ChappeError('notReady', 'the directory of business numbers cannot be read; connect again', {
        cause: error,
      });
    }
  }

  /** Not awaited: the appender keeps the order, and the answer goes out when the log has it. */
  #append(kind: 'inbound' | 'block', id: string, record: NewRecord): void {
    const { appender, events } = this.#dependencies;
    appender.append(this.device.contact, record).then(
      () => {
        events.commanded(kind, 'appended');
        this.#downlink.confirm(id);
        this.#toWrite.set();
      },
      (error: unknown) => {
        // What is not confirmed the device sends again, in order, on its next stream.
        events.commanded(kind, 'failed');
        this.end(
          error instanceof ChappeError
            ? error
            : new ChappeError('rangeUnavailable', 'the log did not take a frame', { cause: error }),
        );
      },
    );
  }

  #refuse(kind: 'inbound' | 'block', id: string, code: number, detail: string): void {
    this.#dependencies.events.commanded(kind, 'refused');
    this.#downlink.refuse(id, code, detail);
    this.#toWrite.set();
  }
}

/** A count starts anew with the next incarnation: there is one as long as it is far from the end of its 32 bits. */
function checkResume({ incarnation }: Resume): void {
  if (incarnation > incarnationMax) throw invalid(`Resume names an incarnation beyond ${incarnationMax}`);
}

function invalid(detail: string): ChappeError {
  return new ChappeError('invalidRequest', detail);
}
