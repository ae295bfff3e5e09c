/** What stands side by side, in the order of the table. */
import type { System } from '../system.ts';
import { chappeCalls, chappeCluster, chappeStandalone } from './chappe.ts';
import { jasmin } from './jasmin.ts';
import { kannelFake, kannelSmpp } from './kannel.ts';

export const systems: readonly System[] = [
  chappeStandalone,
  chappeCalls,
  chappeCluster,
  kannelSmpp,
  kannelFake,
  jasmin,
];
