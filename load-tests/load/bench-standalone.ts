/** `make bench`: what the standalone node does on this machine, in figures that have limits. */
import { measureWarm, play, steadily, warmUp, type Scene } from './scenarios.ts';
import type { WindowResult } from './run-window.ts';

/** Messages, seconds and people; the quick form is for a look in between. */
const sizes = {
  whole: { warm: 30_000, seconds: 20, fresh: 3_000, contacts: 100_000, devices: 2_000 },
  quick: { warm: 6_000, seconds: 5, fresh: 600, contacts: undefined, devices: undefined },
} as const;

export async function benchStandalone(scene: Scene): Promise<void> {
  const { stage, options, figure, print } = scene;
  const size = options.isQuick ? sizes.quick : sizes.whole;
  figure({ name: 'start to ready', unit: 'ms', better: 'lower', limit: 2_000 }, stage.target.startMs);
  figure({ name: 'resident, idle', unit: 'MiB', better: 'lower', limit: 250 }, await residentMiB(scene));

  await warmUp(scene);
  const warm = await measureWarm(scene, size.warm, 1_500);
  figure({ name: 'CPU of the node a message, warm', unit: 'us', better: 'lower' }, cpuUs(warm, 'standalone'));
  const at750 = await play(scene, 'warm, 750/s', steadily(750, size.seconds));
  figure({ name: 'due to shown at 750/s, p50', unit: 'ms', better: 'lower' }, at750.toShown?.p50Ms ?? Infinity);
  figure(
    { name: 'due to shown at 750/s, p99', unit: 'ms', better: 'lower', limit: 300 },
    at750.toShown?.p99Ms ?? Infinity,
  );
  const at100 = await play(scene, 'warm, 100/s', steadily(100, size.seconds));
  figure({ name: 'due to shown at 100/s, p50', unit: 'ms', better: 'lower' }, at100.toShown?.p50Ms ?? Infinity);
  figure({ name: 'due to shown at 100/s, p99', unit: 'ms', better: 'lower' }, at100.toShown?.p99Ms ?? Infinity);

  const first = stage.registered;
  await stage.gather(first + size.fresh);
  const people = { kind: 'inTurn', first, count: size.fresh } as const;
  const fresh = await play(scene, 'only new contacts', { kind: 'asReady', count: size.fresh }, { people });
  figure({ name: 'messages a second, only new contacts', unit: '/s', better: 'higher', limit: 300 }, fresh.perSecond);

  if (size.contacts === undefined) return;
  await stage.gather(Math.max(stage.registered, size.devices));
  await stage.optIn(size.contacts);
  print(`${size.contacts} contacts have opted in, ${stage.registered} of them have a device`);
  await play(scene, '100,000 contacts, 750/s', steadily(750, size.seconds), {
    people: { kind: 'inTurn', first: 0, count: size.devices },
  });
  figure({ name: 'resident, 100,000 contacts', unit: 'MiB', better: 'lower', limit: 600 }, await residentMiB(scene));
}

async function residentMiB({ stage }: Scene): Promise<number> {
  const usages = await stage.usage();
  return (usages.find(({ name }) => name === 'standalone')?.residentBytes ?? NaN) / 2 ** 20;
}

function cpuUs({ processes }: WindowResult, part: string): number {
  return processes.filter((process) => process.part === part).reduce((sum, process) => sum + process.cpuUs, 0);
}
