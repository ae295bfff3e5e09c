/**
 * The few PDUs of SMPP 3.4 (SMPP Developers Forum, 1999, chapter 4) that a message centre needs: binds,
 * submit_sm, deliver_sm with a delivery receipt (appendix B), enquire_link, unbind.
 */

export const command = {
  genericNack: 0x8000_0000,
  bindReceiver: 0x01,
  bindTransmitter: 0x02,
  submitSm: 0x04,
  deliverSm: 0x05,
  unbind: 0x06,
  bindTransceiver: 0x09,
  enquireLink: 0x15,
  /** Added to a request's number: its response. */
  response: 0x8000_0000,
} as const;

export interface Pdu {
  readonly command: number;
  readonly status: number;
  readonly sequence: number;
  readonly body: Buffer;
}

export interface SubmittedMessage {
  readonly sender: string;
  readonly receiver: string;
  readonly wantsReceipt: boolean;
  readonly text: string;
}

const headerBytes = 16;
/** A submit_sm has at most 254 bytes of text and 100 of addresses; with a message_payload, 64 kB. */
const pduBytesMax = 65_536 + 1_024;

/**
 * The whole PDUs at the start of what came in, and the rest.
 *
 * @throws Error for a length that no PDU has
 */
export function splitPdus(bytes: Buffer): { readonly pdus: readonly Pdu[]; readonly rest: Buffer } {
  const pdus: Pdu[] = [];
  let from = 0;
  while (bytes.length - from >= headerBytes) {
    const length = bytes.readUInt32BE(from);
    if (length < headerBytes || length > pduBytesMax) throw new Error(`a PDU of ${length} bytes`);
    if (bytes.length - from < length) break;
    pdus.push({
      command: bytes.readUInt32BE(from + 4),
      status: bytes.readUInt32BE(from + 8),
      sequence: bytes.readUInt32BE(from + 12),
      body: bytes.subarray(from + headerBytes, from + length),
    });
    from += length;
  }
  return { pdus, rest: bytes.subarray(from) };
}

export function encodePdu(number: number, sequence: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const pdu = Buffer.allocUnsafe(headerBytes + body.length);
  pdu.writeUInt32BE(pdu.length, 0);
  pdu.writeUInt32BE(number, 4);
  pdu.writeUInt32BE(0, 8);
  pdu.writeUInt32BE(sequence, 12);
  body.copy(pdu, headerBytes);
  return pdu;
}

/** A C-octet string: the message id of submit_sm_resp, the system id of a bind's response. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'latin1');
}

/** @throws Error if it is cut off */
export function decodeSubmit(body: Buffer): SubmittedMessage {
  let at = 0;
  const text = (): string => {
    const end = body.indexOf(0, at);
    if (end === -1) throw new Error('a submit_sm that is cut off');
    const read = body.toString('latin1', at, end);
    at = end + 1;
    return read;
  };
  text(); // service_type
  at += 2; // type and plan of the sender's number
  const sender = text();
  at += 2;
  const receiver = text();
  at += 3; // esm_class, protocol_id, priority_flag
  text(); // schedule_delivery_time
  text(); // validity_period
  const wantsReceipt = (body.readUInt8(at) & 0x03) !== 0;
  at += 4; // registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
  const length = body.readUInt8(at);
  at += 1;
  return { sender, receiver, wantsReceipt, text: body.toString('latin1', at, at + length) };
}

/** The body of the deliver_sm that says "delivered": appendix B's text, and both TLVs that replace it. */
export function encodeReceipt(message: SubmittedMessage, messageId: string, doneAt: Date): Buffer {
  const day = doneAt.toISOString().replace(/[-T:]/g, '').slice(2, 12);
  const text = `id:${messageId} sub:001 dlvrd:001 submit date:${day} done date:${day} stat:DELIVRD err:000 text:`;
  return Buffer.concat([
    cString(''),
    numberOf(message.receiver),
    numberOf(message.sender),
    // esm_class: a delivery receipt.
    Buffer.from([0x04, 0, 0]),
    cString(''),
    cString(''),
    Buffer.from([0, 0, 0, 0, text.length]),
    Buffer.from(text, 'latin1'),
    // message_state: DELIVERED.
    Buffer.from([0x04, 0x27, 0, 1, 2]),
    Buffer.from([0x00, 0x1e, 0, messageId.length + 1]),
    cString(messageId),
  ]);
}

/** An international number of the ISDN plan, without its plus. */
function numberOf(number: string): Buffer {
  return Buffer.concat([Buffer.from([1, 1]), cString(number.replace(/^\+/, ''))]);
}
