/** The results: a line for each job while it goes on, JSON, and one page to read. */
import type { JobResult } from './job.ts';

export function formatResult({ messages, perSecond, figures, parts }: JobResult): string {
  const speed = perSecond === undefined ? 'as fast as it goes' : `${perSecond}/s`;
  const cpu = parts.map(({ part, cpuUsPerMessage, peakMiB }) => `${part} ${cpuUsPerMessage.toFixed(0)} us, ${peakMiB.toFixed(0)} MiB`);
  return [
    `  ${messages} messages, ${speed}: ${JSON.stringify(figures)}`,
    `    ${cpu.join('; ')}`,
  ].join('\n');
}
