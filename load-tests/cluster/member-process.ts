/** A process of the local cluster: how it is started, and whether it is ready. */
import { setTimeout as pause } from 'node:timers/promises';
import { logPath, serversOf, startServer } from '../stack/process-record.ts';
import { environmentOf, type ClusterIdentity } from './environment.ts';
import { adminPortOf, dataFolder, type Member } from './layout.ts';
import { serviceArguments } from './node-settings.ts';

/** Fourteen processes on two cores take some ten seconds. */
const readyMsMax = 90_000;
const pollMs = 100;

export interface MemberOptions {
  readonly identity: ClusterIdentity;
  readonly zones: 1 | 2;
  /** Of Node, before the program. */
  readonly nodeArguments?: readonly string[];
  /** Over the usual environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts it if it does not run; resolves when its admin port is open. */
export async function startMember(member: Member, options: MemberOptions): Promise<void> {
  const { identity, zones, nodeArguments, environment } = options;
  await startServer(dataFolder, {
    name: member.name,
    command: process.execPath,
    args: serviceArguments(member.service, nodeArguments),
    environment: { ...environmentOf(member, identity, zones), ...environment },
    ports: [adminPortOf(member)],
  });
}

/** Resolves when all of them say that they are ready. @throws Error with who is not, and why */
export async function untilReady(members: readonly Member[]): Promise<void> {
  const endMs = performance.now() + readyMsMax;
  for (;;) {
    const found = await Promise.all(
      members.map(async (member) => ({ member, problems: Object.entries(await problemsOf(member)) })),
    );
    const [first] = found.filter(({ problems }) => problems.length > 0);
    if (first === undefined) return;
    const ended = (await serversOf(dataFolder)).find(({ running }) => !running);
    if (ended !== undefined) throw new Error(`${ended.name} has ended: see ${logPath(dataFolder, ended.name)}`);
    if (performance.now() > endMs) {
      const why = first.problems.map(([part, problem]) => `${part}: ${problem}`).join('; ');
      throw new Error(`${first.member.name} is not ready: ${why}. See ${logPath(dataFolder, first.member.name)}`);
    }
    await pause(pollMs);
  }
}

/** Why a process is not ready, by its part. */
export async function problemsOf(member: Member): Promise<Record<string, string>> {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPortOf(member)}/readyz`, {
      signal: AbortSignal.timeout(2_000),
    });
    return ((await answer.json()) as { problems: Record<string, string> }).problems;
  } catch {
    return { process: 'it does not answer' };
  }
}
