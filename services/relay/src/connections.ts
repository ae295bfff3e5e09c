/** The devices that are connected here: at most one stream for each, and a bound on all. */
import { ChappeError } from '@chappe/errors/chappe-error';
import type { RegisteredDevice } from './devices.ts';
import type { DeviceConnection } from './device-connection.ts';
import { connectionsMax } from './limits.ts';

/** Numbers a millisecond: more connections of one relay in one millisecond borrow from the next. */
const perMs = 1_000n;

export class Connections {
  readonly #byDevice = new Map<string, DeviceConnection>();
  readonly #now: () => number;
  #lastNo = 0n;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#byDevice.size;
  }

  /**
   * A number higher than any of this relay, and by the clock than those of others and of earlier
   * starts. Where clocks differ the older stream wins until it is noticed to be gone, and the
   * device connects once more; nothing else depends on it.
   */
  nextNo(): bigint {
    const byClock = BigInt(this.#now()) * perMs;
    this.#lastNo = byClock > this.#lastNo ? byClock : this.#lastNo + 1n;
    return this.#lastNo;
  }

  /**
   * Adds a connection and ends the device's older one.
   *
   * @throws ChappeError `overloaded`
   */
  add(connection: DeviceConnection): void {
    const key = keyOf(connection.device);
    const older = this.#byDevice.get(key);
    if (older === undefined && this.#byDevice.size >= connectionsMax) {
      throw new ChappeError('overloaded', 'this relay has as many devices as it can serve; connect again', {
        retryAfterMs: 5_000,
      });
    }
    this.#byDevice.set(key, connection);
    older?.end(superseded());
  }

  remove(connection: DeviceConnection): void {
    const key = keyOf(connection.device);
    if (this.#byDevice.get(key) === connection) this.#byDevice.delete(key);
  }

  find(contact: string, device: number): DeviceConnection | undefined {
    return this.#byDevice.get(keyOf({ contact, device }));
  }

  endAll(error: ChappeError): void {
    for (const connection of this.#byDevice.values()) connection.end(error);
  }
}

/** What the older of two streams of a device is told. */
export function superseded(): ChappeError {
  return new ChappeError('alreadyExists', 'a newer stream of this device has taken over');
}

function keyOf({ contact, device }: Pick<RegisteredDevice, 'device'> & { readonly contact: string }): string {
  return `${contact}/${device}`;
}
