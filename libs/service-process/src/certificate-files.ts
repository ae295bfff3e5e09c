/** The certificates that a process was told of: every variable of its configuration that names such a file. */
import type { CertificateFile } from '@chappe/telemetry/process-metrics';

const variablePattern = /^CHAPPE_(\w+)_TLS_(AUTHORITY|CERTIFICATE)$/;

/** Files of these are read at the start of a process, those of its own servers again and again. */
const readOnce: ReadonlySet<string> = new Set(['LOG', 'COORDINATION', 'STORE']);

export function certificateFiles(config: Readonly<Record<string, unknown>>): CertificateFile[] {
  return Object.entries(config).flatMap(([variable, path]) => {
    const [, owner = '', kind = ''] = variablePattern.exec(variable) ?? [];
    if (owner === '' || typeof path !== 'string') return [];
    return [{ name: `${owner}_${kind}`.toLowerCase(), path, isReadAgain: !readOnce.has(owner) }];
  });
}
