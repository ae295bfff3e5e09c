/** The mailbox as it lies in the state, and as an Acknowledge frame says it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AcknowledgeSchema, ResumeSchema } from '@chappe/proto/device/device_service';
import { getJson, putJson, type HandsetState } from './handset-state.ts';
import { emptyMailbox, type Mailbox, type RefusedSession, type Report } from './mailbox.ts';

interface MailboxRecord {
  readonly incarnation: number;
  readonly number: string;
  readonly forgotten: string;
  readonly refused: readonly (readonly [string, RefusedSession])[];
  readonly reports: readonly (Omit<Report, 'number'> & { readonly number: string })[];
}

export function readMailbox(state: HandsetState): Mailbox {
  const record = getJson(state, 'mailbox', 'mailbox') as MailboxRecord | undefined;
  if (record === undefined) return emptyMailbox;
  return {
    incarnation: record.incarnation,
    number: BigInt(record.number),
    forgotten: BigInt(record.forgotten),
    refused: new Map(record.refused),
    reports: record.reports.map((report) => ({ ...report, number: BigInt(report.number) })),
  };
}

/** Not committed. */
export function putMailbox(state: HandsetState, mailbox: Mailbox): void {
  const record: MailboxRecord = {
    incarnation: mailbox.incarnation,
    number: String(mailbox.number),
    forgotten: String(mailbox.forgotten),
    refused: [...mailbox.refused],
    reports: mailbox.reports.map((report) => ({ ...report, number: String(report.number) })),
  };
  putJson(state, 'mailbox', 'mailbox', record);
}

export function resumeOf({ incarnation, number }: Mailbox): MessageInitShape<typeof ResumeSchema> {
  return { incarnation, number };
}

/** One number for everything up to it, with all reports that are not committed yet. */
export function acknowledgeOf({ incarnation, number, reports }: Mailbox): MessageInitShape<typeof AcknowledgeSchema> {
  return { incarnation, through: number, undecryptable: [...reports] };
}
