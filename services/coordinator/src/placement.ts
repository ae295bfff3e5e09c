/**
 * What the leader does besides giving ranges to shards: it says how many copies of topics are left, how many shards there
 * should be, and on Kubernetes sees to it, empties those whose node is about to be, and tells shards their zone. Nothing of it is needed for
 * ranges to have owners: where Kubernetes does not answer, all that stands still.
 */
import type { Coordination } from '@chappe/coordination/coordination';
import type { Log } from '@chappe/log/log';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { openKubernetes, type Kubernetes, type KubernetesOptions } from './kubernetes.ts';
import type { Leadership } from './leadership.ts';
import { lookAtNodes } from './node-look.ts';
import { openPlacementEvents } from './placement-events.ts';
import { lookAtRedundancy } from './redundancy-look.ts';
import { lookRepeatedly, type RepeatedLook } from './repeated-look.ts';
import { ScalingLook } from './scaling-look.ts';
import type { ScalingSettings } from './scaling.ts';

export interface PlacementOptions {
  readonly coordination: Coordination;
  readonly log: Log;
  readonly telemetry: Telemetry;
  readonly eventBuckets: number;
  /** Absent: nothing is said of the number of senders. */
  readonly scaling?: ScalingSettings & { readonly isApplied: boolean; readonly drainMsMax: number };
  /** Absent: not on Kubernetes. */
  readonly kubernetes?: Omit<KubernetesOptions, 'onChange' | 'onProblem'>;
}

/** @returns what is to be started whenever this process leads, and ended when it leads no more */
export function openPlacement(options: PlacementOptions): (leadership: Leadership) => AsyncDisposable {
  const { coordination, log, telemetry, eventBuckets, scaling, kubernetes: cluster } = options;
  const events = openPlacementEvents(telemetry);
  return (leadership) => {
    const looks: RepeatedLook[] = [
      lookRepeatedly(
        () => lookAtRedundancy({ coordination, log, events, eventBuckets }),
        (error) => events.failed('the copies of topics could not be looked at, trying again', error),
      ),
    ];
    const kubernetes = cluster === undefined ? undefined : new Lazy(() => open(cluster));
    const open = (at: NonNullable<typeof cluster>): Promise<Kubernetes> =>
      openKubernetes({
        ...at,
        onChange: () => looks.forEach((look) => look.wake()),
        onProblem: (what, error) => events.failed(what, error),
      });
    const now = Date.now;
    if (kubernetes !== undefined)
      looks.push(
        lookRepeatedly(
          async () => lookAtNodes({ coordination, kubernetes: await kubernetes.get(), events, now }, leadership),
          (error) => events.failed('nodes and pods could not be looked at, trying again', error),
        ),
      );
    if (scaling !== undefined) {
      const { isApplied, drainMsMax, ...settings } = scaling;
      const common = { coordination, log, events, settings, isApplied, drainMsMax, now, monotonicMs };
      const look = new ScalingLook(common, leadership);
      looks.push(
        lookRepeatedly(
          async () => look.look(await kubernetes?.get()),
          (error) => events.failed('the load could not be looked at, trying again', error),
        ),
      );
    }
    return {
      [Symbol.asyncDispose]: async () => {
        await Promise.all(looks.map((look) => look[Symbol.asyncDispose]()));
        await kubernetes?.[Symbol.asyncDispose]();
        events.ended();
      },
    };
  };
}

function monotonicMs(): number {
  return performance.now();
}

/** Opened when it is asked for first, by whomever; after a failure anew. */
class Lazy<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #open: () => Promise<T>;
  #opening: Promise<T> | undefined;

  constructor(open: () => Promise<T>) {
    this.#open = open;
  }

  async get(): Promise<T> {
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }
}
