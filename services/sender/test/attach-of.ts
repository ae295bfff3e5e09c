/** A device that attaches to a worker or a shard under test, and what its relay is told. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { ResumeSchema } from '@chappe/proto/device/device_service';
import { DeviceRefSchema } from '@chappe/proto/internal/sender_service';
import type { DeviceWork } from '../src/device-work.ts';

export function attachOf(contact: string): { work: DeviceWork; refusals: string[] } {
  const refusals: string[] = [];
  const work: DeviceWork = {
    kind: 'attach',
    device: create(DeviceRefSchema, { contact, device: 1, connectionNo: 1n }),
    resume: create(ResumeSchema),
    sink: {
      closed: false,
      push: () => assert.fail('nothing is pushed'),
      forget: () => undefined,
      outcome: () => undefined,
      refuse: (_device, reason) => refusals.push(reason),
    },
  };
  return { work, refusals };
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(5);
}
