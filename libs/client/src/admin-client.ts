/** What an operator uses: businesses, their numbers and keys, and the state of the cluster. */
import { BusinessService } from '@chappe/proto/v1/business_service';
import { ClusterService } from '@chappe/proto/v1/cluster_service';
import { Channel, type Client } from '@chappe/rpc/client';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { retried } from './retried-methods.ts';

export interface AdminClientOptions {
  /** `host:port` or `unix:/path` of a gateway. */
  readonly address: string;
  readonly adminKey: string;
  /** Absent: no TLS. */
  readonly credentials?: ChannelCredentials;
  /** With TLS, the name in the server's certificate. Absent: the one in the address. */
  readonly serverName?: string;
}

export class AdminClient implements Disposable {
  readonly businesses: Client<typeof BusinessService>;
  readonly cluster: Client<typeof ClusterService>;
  readonly #channel: Channel;

  constructor({ address, adminKey, credentials, serverName }: AdminClientOptions) {
    this.#channel = new Channel({ address, bearer: adminKey, credentials, serverName });
    this.businesses = retried(this.#channel.client(BusinessService), ['list', 'listKeys', 'revokeKey']);
    this.cluster = retried(this.#channel.client(ClusterService), [
      'listRanges',
      'listShards',
      'drainShard',
      'cancelReshape',
      'listReshapes',
      'moveRange',
      'getPlan',
      'listJournal',
    ]);
  }

  /** @throws ChappeError `notReady` when there is no answer in time */
  waitForReady(timeoutMs: number): Promise<void> {
    return this.#channel.waitForReady(timeoutMs);
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}
