/**
 * A message centre (SMSC) in a process of its own: takes binds of any name, answers every submit_sm, and sends
 * the receipt "delivered" for it at once. Driven by its parent over IPC (smsc.ts).
 *
 * It keeps nothing on a disk and is much faster than the gateways, so that what is measured is theirs.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { indexOfText } from '../message.ts';
import { receiptsInFlight } from '../limits.ts';
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
  const receipts: Buffer[] = [];
  const sendReceipts = (): void => {
    while (unanswered < receiptsInFlight && receipts.length > 0) {
      const body = receipts.shift();
      if (body === undefined) return;
      unanswered += 1;
      sequence += 1;
      socket.write(encodePdu(command.deliverSm, sequence, body));
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
          if (message.wantsReceipt) receipts.push(encodeReceipt(message, messageId, new Date()));
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
  });
}

function note(text: string): void {
  const index = indexOfText(text);
  if (index === undefined) return;
  received.push([index, performance.timeOrigin + performance.now()]);
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
