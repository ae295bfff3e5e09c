/** A device's stream as a test drives it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRequestSchema, ConnectResponse } from '@chappe/proto/device/device_service';
import type { ClientStream } from '@chappe/rpc/client';
import type { Harness } from './harness.ts';

type RequestFrame = Exclude<MessageInitShape<typeof ConnectRequestSchema>['frame'], undefined>;
type ResponseFrame = ConnectResponse['frame'];
type ValueOf<C> = Extract<ResponseFrame, { case: C }>['value'];

export class ConnectedDevice {
  readonly #stream: ClientStream<MessageInitShape<typeof ConnectRequestSchema>, ConnectResponse>;
  readonly #responses: AsyncIterator<ConnectResponse>;

  constructor(harness: Harness, credential: string) {
    this.#stream = harness.device(credential).connect();
    this.#responses = this.#stream.responses[Symbol.asyncIterator]();
  }

  async send(frame: RequestFrame): Promise<void> {
    await this.#stream.send({ frame });
  }

  async resume(incarnation = 0, number = 0n): Promise<void> {
    await this.send({ case: 'resume', value: { incarnation, number } });
  }

  /** The next frame of a kind; the ones before it are passed over. @throws what ended the stream */
  async next<C extends Exclude<ResponseFrame['case'], undefined>>(kind: C): Promise<NonNullable<ValueOf<C>>> {
    for (;;) {
      const { done, value } = await this.#responses.next();
      if (done === true) throw new Error(`the stream ended before ${kind} came`);
      if (value.frame.case === kind) return value.frame.value as NonNullable<ValueOf<C>>;
    }
  }

  /** The numbers of so many envelopes. */
  async numbers(count: number): Promise<bigint[]> {
    const numbers: bigint[] = [];
    while (numbers.length < count) {
      const { envelopes } = await this.next('envelopes');
      numbers.push(...envelopes.map(({ number }) => number));
    }
    return numbers;
  }

  cancel(): void {
    this.#stream.cancel();
  }
}
