/**
 * A real Kubernetes of two nodes in two zones on this machine: `node charts/lab/main.ts up | down [--wipe] | status`.
 *
 * `up` builds and installs what is missing, makes the images, and can be repeated; `down` ends only what `up` started and
 * leaves nothing but what was built; `status` prints what a shell needs to use it.
 */
import { parseArgs } from 'node:util';
import { bringUp, describe, takeDown } from './lab.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { wipe: { type: 'boolean', default: false } },
});

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

switch (positionals[0]) {
  case 'up':
    await bringUp(print);
    await describe(print);
    break;
  case 'down':
    await takeDown(values.wipe);
    break;
  case 'status':
    process.exitCode = (await describe(print)) ? 0 : 1;
    break;
  default:
    throw new Error('up, down or status');
}
