/** What a process tells of itself as a whole: whether it is ready, and until when its certificates are good. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';

/** A PEM file with a certificate or several. */
export interface CertificateFile {
  /** E.g. `peer_certificate`, `store_authority`: a label. */
  readonly name: string;
  readonly path: string;
  /** False: the process uses what it read at its start. */
  readonly isReadAgain: boolean;
}

export interface ProcessState {
  readonly isReady: () => boolean;
  readonly certificates: readonly CertificateFile[];
}

export function processMetrics(metrics: Registry, { isReady, certificates }: ProcessState): void {
  const ready = new Gauge({
    name: 'chappe_process_ready',
    help: '1: ready, as /readyz says; 0: not',
    registers: [],
    collect() {
      this.set(isReady() ? 1 : 0);
    },
  });
  const readAtStart = new Map(
    certificates.filter(({ isReadAgain }) => !isReadAgain).map(({ name, path }) => [name, endOf(tryToRead(path))]),
  );
  const notAfter = new Gauge({
    name: 'chappe_tls_not_after_timestamp_seconds',
    help: 'When the first certificate of a file ends, in seconds since 1970',
    labelNames: ['certificate'],
    registers: [],
    async collect() {
      this.reset();
      for (const { name, path } of certificates) {
        const end = readAtStart.has(name) ? readAtStart.get(name) : endOf(await readFile(path, 'utf8').catch(() => ''));
        if (end !== undefined) this.set({ certificate: name }, end);
      }
    },
  });
  for (const gauge of [ready, notAfter]) metrics.registerMetric(gauge);
}

const pemPattern = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Of the one that ends first, in seconds since 1970; undefined: there is none that can be read. */
export function endOf(pem: string): number | undefined {
  const ends = [...pem.matchAll(pemPattern)].flatMap(([text]) => {
    try {
      return new X509Certificate(text).validToDate.getTime() / 1_000;
    } catch {
      return [];
    }
  });
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** Whoever uses the file says what is wrong with it. */
function tryToRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
