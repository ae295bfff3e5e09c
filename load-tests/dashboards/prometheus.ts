/**
 * A real Prometheus that scrapes the processes of the local cluster as the chart's PodMonitor would, with the rules of
 * the chart.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { ruleFiles } from '../../charts/test/rules.ts';
import { adminPortOf, members } from '../cluster/layout.ts';
import { startServer, stopServer } from '../stack/process-record.ts';

const port = 21_990;
const readyMsMax = 30_000;

/** Often, so that a short run has rates. */
const intervalSeconds = 5;

export const job = 'messages/chappe';

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly Line[] };
}

export interface Line {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [time: number, value: string])[];
}

export class Prometheus implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(folder: string): Promise<Prometheus> {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const file = `${folder}/prometheus.yaml`;
    await writeFile(file, stringify(configuration()));
    await startServer(folder, {
      name: 'prometheus',
      command: 'prometheus',
      args: [`--config.file=${file}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`],
      ports: [port],
      endsWithStarter: true,
    });
    const prometheus = new Prometheus(folder);
    const endMs = performance.now() + readyMsMax;
    while (!(await isReady())) {
      if (performance.now() > endMs) throw new Error(`Prometheus is not ready: ${folder}`);
      await pause(100);
    }
    return prometheus;
  }

  /** The lines of a query over some time. @throws Error with what Prometheus says against it */
  async range(query: string, from: number, to: number): Promise<readonly Line[]> {
    const asked = new URLSearchParams({ query, start: String(from), end: String(to), step: String(intervalSeconds) });
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/query_range?${asked}`);
    const answer = (await response.json()) as Answer;
    if (answer.status !== 'success') throw new Error(answer.error ?? 'no answer');
    return answer.data.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopServer(this.#folder, 'prometheus');
  }
}

/** The labels that relabelling gives on Kubernetes. */
function configuration(): unknown {
  const targets = members.map((member) => ({
    targets: [`127.0.0.1:${adminPortOf(member)}`],
    labels: { job, namespace: 'messages', pod: member.name, component: member.service, zone: member.zone },
  }));
  return {
    global: { scrape_interval: `${intervalSeconds}s`, evaluation_interval: `${intervalSeconds}s` },
    rule_files: ruleFiles,
    scrape_configs: [{ job_name: 'chappe', static_configs: targets }],
  };
}

async function isReady(): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}
