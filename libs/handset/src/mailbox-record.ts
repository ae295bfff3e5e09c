/** The mailbox as it lies in the state, and as an Acknowledge frame says it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { UnshownReason, type AcknowledgeSchema, type ResumeSchema } from '@chappe/proto/device/device_service';
import { getJson, putJson, type HandsetState } from './handset-state.ts';
import { emptyMailbox, type Mailbox, type RefusedSession, type Report, type Unshown } from './mailbox.ts';

interface MailboxRecord {
  readonly incarnation: number;
  readonly number: string;
  readonly forgotten: string;
  readonly refused: readonly (readonly [string, RefusedSession])[];
  readonly reports: readonly Written<Report>[];
  readonly unshown: readonly Written<Unshown>[];
}

/** A number as JSON takes it. */
type Written<T extends { readonly number: bigint }> = Omit<T, 'number'> & { readonly number: string };

export function readMailbox(state: HandsetState): Mailbox {
  const record = getJson(state, 'mailbox', 'mailbox') as MailboxRecord | undefined;
  if (record === undefined) return emptyMailbox;
  return {
    incarnation: record.incarnation,
    number: BigInt(record.number),
    forgotten: BigInt(record.forgotten),
    refused: new Map(record.refused),
    reports: record.reports.map((report) => ({ ...report, number: BigInt(report.number) })),
    unshown: record.unshown.map((entry) => ({ ...entry, number: BigInt(entry.number) })),
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
    unshown: mailbox.unshown.map((entry) => ({ ...entry, number: String(entry.number) })),
  };
  putJson(state, 'mailbox', 'mailbox', record);
}

export function resumeOf({ incarnation, number }: Mailbox): MessageInitShape<typeof ResumeSchema> {
  return { incarnation, number };
}

const reasons = { expired: UnshownReason.EXPIRED, blocked: UnshownReason.BLOCKED } as const;

/** One number for everything up to it, with all that is to be said of it and not committed yet. */
export function acknowledgeOf(mailbox: Mailbox): MessageInitShape<typeof AcknowledgeSchema> {
  const { incarnation, number, reports } = mailbox;
  const unshown = mailbox.unshown.map((entry) => ({ number: entry.number, reason: reasons[entry.reason] }));
  return { incarnation, through: number, undecryptable: [...reports], unshown };
}
