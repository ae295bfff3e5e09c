/**
 * A message centre (SMSC) in a process of its own: takes binds of any name, answers every submit_sm at once, and
 * sends the receipt "delivered" for it a moment later. Driven by its parent over IPC (smsc.ts).
 *
 * It keeps nothing on a disk and is much faster than the gateways, so that what is measured is theirs.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { nowMs } from '../../load/monotonic-clock.ts';
import { numberIn } from '../../load/texts.ts';
import { receiptDelayMs, receiptsInFlight } from '../limits.ts';
import { command, cString, decodeSubmit, encodePdu, encodeReceipt, splitPdus } from './pdu.ts';
import type { SmscAnswer, SmscRequest } from './smsc.ts';

let received: [number, number][] = [];
let lastMessageId = 1_000_000;
let server: Server | undefined;

const answer = (message: SmscAnswer): void => void process.send?.(message);

function serve(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  let sequence = 0;
  let unanswered = 0;
  // Bounded by the messages of a run: the peer may take its time over each receipt.
  const receipts: { readonly dueMs: number; readonly body: Buffer }[] = [];
  const sendReceipts = (): void => {
    const latestMs = nowMs();
    while (unanswered < receiptsInFlight) {
      const [next] = receipts;
      if (next === undefined || next.dueMs > latestMs) return;
      receipts.shift();
      unanswered += 1;
      sequence += 1;
      socket.write(encodePdu(command.deliverSm, sequence, next.body));
    }
  };
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    const split = splitPdus(rest.length === 0 ? bytes : Buffer.concat([rest, bytes]));
    rest = split.rest;
    socket.cork();
    for (const pdu of split.pdus) {
      switch (pdu.command) {
        case command.submitSm: {
          const message = decodeSubmit(pdu.body);
          lastMessageId += 1;
          const messageId = String(lastMessageId);
          socket.write(encodePdu(command.submitSm + command.response, pdu.sequence, cString(messageId)));
          note(message.text);
          if (message.wantsReceipt) {
            const body = encodeReceipt(message, messageId, new Date());
            receipts.push({ dueMs: nowMs() + receiptDelayMs, body });
          }
          break;
        }
        case command.bindReceiver:
        case command.bindTransmitter:
        case command.bindTransceiver:
          socket.write(encodePdu(pdu.command + command.response, pdu.sequence, cString('smsc')));
          break;
        case command.deliverSm + command.response:
          unanswered -= 1;
          break;
        case command.enquireLink:
        case command.unbind:
          socket.write(encodePdu(pdu.command + command.response, pdu.sequence));
          break;
        default:
          break;
      }
    }
    sendReceipts();
    socket.uncork();
    if (receipts.length > 0) setTimeout(sendReceipts, receiptDelayMs + 1);
  });
}

function note(text: string): void {
  received.push([numberIn(text), nowMs()]);
  if (received.length === 1) setImmediate(tell);
}

function tell(): void {
  answer({ kind: 'received', messages: received });
  received = [];
}

process.on('message', (message) => {
  const request = message as SmscRequest;
  server = createServer(serve);
  server.listen(request.port, '127.0.0.1', () => answer({ kind: 'listening' }));
});
process.on('disconnect', () => process.exit(0));
