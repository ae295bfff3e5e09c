/**
 * How one-time codes reach a person: through an SMS provider's webhook, or, where there is none,
 * into a file that the operator reads.
 */
import { appendFile } from 'node:fs/promises';
import { ChappeError } from '@chappe/errors/chappe-error';
import { display, type PhoneNumber } from '@chappe/numbers/phone-number';
import { codeSendMs } from './limits.ts';

export interface CodeSender {
  /** @throws ChappeError `notReady` if the code was not taken over. */
  send(number: PhoneNumber, code: string): Promise<void>;
}

/** Appends JSON lines `{"number": "+33...", "code": "123456", "time": "<ISO 8601>"}`; only the owner may read the file. */
export function fileCodeSender(options: { readonly path: string }): CodeSender {
  return {
    async send(number, code) {
      const line = JSON.stringify({ number: display(number), code, time: new Date().toISOString() });
      try {
        await appendFile(options.path, `${line}\n`, { mode: 0o600 });
      } catch (error) {
        throw new ChappeError('notReady', `the code cannot be written to ${options.path}`, { cause: error });
      }
    },
  };
}

export interface WebhookOptions {
  readonly url: string;
  /** Sent as `Authorization: Bearer <token>`. */
  readonly token?: string | undefined;
  readonly deadlineMs?: number;
}

/** POSTs the same object as JSON; any 2xx answer means that the provider has taken it over. */
export function webhookCodeSender(options: WebhookOptions): CodeSender {
  const headers = {
    'content-type': 'application/json',
    ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
  };
  return {
    async send(number, code) {
      const body = JSON.stringify({ number: display(number), code, time: new Date().toISOString() });
      const signal = AbortSignal.timeout(options.deadlineMs ?? codeSendMs);
      let status: number;
      try {
        const response = await fetch(options.url, { method: 'POST', headers, body, signal, redirect: 'error' });
        await response.body?.cancel();
        status = response.status;
      } catch (error) {
        throw new ChappeError('notReady', 'the provider of codes does not answer; ask for a code again', {
          cause: error,
        });
      }
      if (status < 200 || status > 299) {
        throw new ChappeError('notReady', `the provider of codes answered ${status}; ask for a code again`);
      }
    },
  };
}
