/**
 * Every reason for which Chappe refuses a request or fails a message.
 *
 * Codes outside 3000 to 3999 keep the numbers of the WhatsApp Business API where it has
 * the same thing (its published error lists, on-premises and Cloud); those between are Chappe's.
 * docs/errors.md lists exactly these; a test holds the two together.
 */

/** The gRPC statuses that are used, by number (grpc.io/docs/guides/status-codes). */
export const GrpcStatus = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type Retry =
  /** The same request will be refused again. */
  | 'never'
  /** The same request after a wait. */
  | 'same'
  /** At another instance, after a look at the routing table. */
  | 'redirect';

export interface CatalogueEntry {
  readonly code: number;
  readonly title: string;
  readonly grpc: number;
  readonly retry: Retry;
  /** When it happens and what to do. */
  readonly meaning: string;
}

const { invalidArgument, notFound, alreadyExists, permissionDenied, unauthenticated } = GrpcStatus;
const { resourceExhausted, failedPrecondition, internal, unavailable } = GrpcStatus;

function entry(code: number, title: string, grpc: number, retry: Retry, meaning: string): CatalogueEntry {
  return { code, title, grpc, retry, meaning };
}

export const catalogue = {
  unauthenticated: entry(190, 'Access token invalid', unauthenticated, 'never', 'No API key or credential, an unknown or a revoked one. Send `authorization: Bearer <key>`.'),
  expired: entry(410, 'Message expired', failedPrecondition, 'never', 'Not shown within its ttl. Its event has the state `expired` and no error. Send a new one if it still matters.'),
  windowClosed: entry(470, 'Re-engagement message', failedPrecondition, 'never', 'Free text to a person who never wrote, or whose 24 h window has closed where only templates may follow. Send a template.'),
  identityChanged: entry(480, 'User potentially changed', failedPrecondition, 'never', 'The identity behind the number changed and the business chose to fail what was not shown. Check whom you write to, then send again.'),
  tooLong: entry(1001, 'Message too long', invalidArgument, 'never', 'Free text has at most 4,096 characters. Shorten or split it.'),
  alreadyExists: entry(1004, 'Resource already exists', alreadyExists, 'never', 'Another resource has this name or number. Choose another one.'),
  accessDenied: entry(1005, 'Access denied', permissionDenied, 'never', 'The key is valid but not for this call. Use the admin key or the API key of the right business.'),
  notFound: entry(1006, 'Resource not found', notFound, 'never', 'There is none with this id, or it belongs to somebody else.'),
  parameterMissing: entry(1008, 'Required parameter is missing', invalidArgument, 'never', 'The detail names the field to fill.'),
  parameterInvalid: entry(1009, 'Parameter value is not valid', invalidArgument, 'never', 'The detail names the field and what it may hold.'),
  notReady: entry(1011, 'Service not ready', unavailable, 'same', 'The service is starting, stopping, or cannot reach what it needs.'),
  userInvalid: entry(1013, 'User is not valid', invalidArgument, 'never', 'Not a valid phone number, or a person without a registered device.'),
  internal: entry(1014, 'Internal error', internal, 'same', 'A fault of Chappe. Retry with the same idempotency key, and report it.'),
  tooManyRequests: entry(1015, 'Too many requests', resourceExhausted, 'same', 'A rate limit was reached. Wait as long as the answer says.'),
  overloaded: entry(1016, 'System overloaded', unavailable, 'same', 'The contact range is too far behind, or has more than its share of this business waiting. Wait as long as the answer says.'),
  notOwner: entry(1018, 'Not the owner of the range', failedPrecondition, 'redirect', 'Another shard works on this range. Look at the routing table again.'),
  sendToSelf: entry(1021, 'Bad user', invalidArgument, 'never', 'The recipient is the business number itself.'),
  storeUnavailable: entry(1023, 'Database error occurred', unavailable, 'same', 'The database does not answer or is full. Nothing was accepted.'),
  invalidRequest: entry(1025, 'Invalid request', invalidArgument, 'never', 'The request cannot be decoded or breaks a limit of the call.'),
  undeliverable: entry(1026, 'Receiver incapable', failedPrecondition, 'never', 'The person cannot be reached by this business.'),
  parameterCount: entry(2000, 'Template parameter count mismatch', invalidArgument, 'never', 'Fill exactly the parameters that the template has; the detail names them.'),
  templateMissing: entry(2001, 'Template does not exist', invalidArgument, 'never', 'No template with this name in this language. Create it, or allow the language fallback.'),
  parameterTooLong: entry(2004, 'Template parameter too long', invalidArgument, 'never', 'A parameter has at most 1,024 characters.'),
  renderedTooLong: entry(2005, 'Translated text too long', invalidArgument, 'never', 'The filled template has at most 4,096 characters.'),
  noOptIn: entry(3001, 'No opt-in', failedPrecondition, 'never', 'The person has not agreed to be written to. Record an opt-in first.'),
  keyReused: entry(3002, 'Idempotency key reused', alreadyExists, 'never', 'The same key was used for another request. Use a key of its own for each message.'),
  undecryptable: entry(3003, 'Undecryptable', failedPrecondition, 'never', 'The device could not decrypt the message under three sessions in a row.'),
  mailboxFull: entry(3004, 'Mailbox full', failedPrecondition, 'never', 'Too many messages wait for this person. Wait until some are shown.'),
  priceAboveLimit: entry(3005, 'Price above max_price', failedPrecondition, 'never', 'The price at the time of sending is above what the request allows.'),
  laneFull: entry(3006, 'Too many held messages', failedPrecondition, 'never', 'Messages of this number to this person are held, until a new identity is acknowledged or the keys of a device are there, and no more are taken.'),
  rangeUnavailable: entry(3008, 'Range not available', unavailable, 'same', 'The log of the contact range does not take appends now. Nothing was accepted, unless the detail says that this is not known: then repeat it with the same idempotency key.'),
  behindRefused: entry(3010, 'Behind a refused message', unavailable, 'same', 'An earlier message to this contact on this stream was refused for a reason that passes. Resubmit both in order.'),
  clusterBusy: entry(3011, 'Another change of the cluster is going on', failedPrecondition, 'never', 'The detail names it. Wait until it has ended, then ask again.'),
  frequencyCap: entry(131049, 'Frequency cap reached', failedPrecondition, 'never', 'The person got as many marketing messages as the business allows in the period.'),
  optedOut: entry(131050, 'User has opted out', failedPrecondition, 'never', 'The person asked for no more messages. Only a new opt-in ends it.'),
  pairLimit: entry(131056, 'Pair rate limit hit', failedPrecondition, 'never', 'The person got more messages of this number in a short time than the business allows itself. Wait, then send again.'),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorName = keyof typeof catalogue;

const byCode = new Map<number, ErrorName>(
  (Object.keys(catalogue) as ErrorName[]).map((name) => [catalogue[name].code, name]),
);

/** The catalogue's name of a code; `internal` for codes it does not have. */
export function errorNameOf(code: number): ErrorName {
  return byCode.get(code) ?? 'internal';
}
