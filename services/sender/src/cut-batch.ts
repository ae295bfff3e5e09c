/** How many commands of those at hand make one batch. Pure. */
import { CiphertextType } from '@chappe/proto/device/device_service';
import { batchBytesMax, batchCryptoMsMax, batchRecordsMax, cryptoCostMs } from './limits.ts';
import type { ReadableCommand } from './read-commands.ts';
import { sessionKey, type ContactState } from './state.ts';

/**
 * Counts from the front until crypto time, bytes or the number of records reach their limit; at
 * least one. Also cuts where crypto would have to know what is only decided in the same batch:
 * before what a device sent whose registration is in it.
 */
export function cutBatch(
  commands: readonly ReadableCommand[],
  stateOf: (contact: string) => ContactState | undefined,
): number {
  let cryptoMs = 0;
  let bytes = 0;
  const registered = new Set<string>();
  for (const [index, read] of commands.entries()) {
    if (index >= batchRecordsMax) return index;
    if (read.kind !== 'command') continue;
    const { command, contact, record } = read;
    if (command.kind.case === 'inbound' && registered.has(contact)) return index;
    if (command.kind.case === 'deviceRegistered') registered.add(contact);
    cryptoMs += cryptoMsOf(read, stateOf(contact));
    bytes += record.value.length;
    if (index > 0 && (cryptoMs > batchCryptoMsMax || bytes > batchBytesMax)) return index;
  }
  return commands.length;
}

function cryptoMsOf(read: Extract<ReadableCommand, { kind: 'command' }>, state: ContactState | undefined): number {
  const { kind } = read.command;
  if (kind.case === 'inbound') {
    return kind.value.type === CiphertextType.PRE_KEY ? cryptoCostMs.newSession : cryptoCostMs.decrypt;
  }
  if (kind.case !== 'send' || state === undefined) return 0;
  const { number } = kind.value;
  return state.contact.devices.reduce((sum, { device }) => {
    const isNew = !state.sessions.has(sessionKey(number, device));
    return sum + cryptoCostMs.encrypt + (isNew ? cryptoCostMs.newSession : 0);
  }, 0);
}
