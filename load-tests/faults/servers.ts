/** The servers of both shapes of the stack, as faults name them. */
import { etcd } from '../stack/etcd.ts';
import { kafka } from '../stack/kafka.ts';
import { mariadb } from '../stack/mariadb.ts';
import type { Site } from '../stack/places.ts';
import type { StackPart } from '../stack/stack-context.ts';

/** The first of each kind is there in a stack of one zone as well. */
export type Server =
  | 'kafka-1'
  | 'kafka-2'
  | 'kafka-3'
  | 'kafka-4'
  | 'kafka-5'
  | 'etcd-a'
  | 'etcd-b'
  | 'etcd-witness'
  | 'mariadb-a'
  | 'mariadb-b';

export interface ServerPlace {
  readonly part: StackPart;
  readonly site: Site;
  /** That clients use, or other controllers. */
  readonly port: number;
  readonly zones: readonly (1 | 2)[];
}

export const servers: Readonly<Record<Server, ServerPlace>> = {
  'kafka-1': { part: kafka, site: 'a', port: 19_092, zones: [1, 2] },
  'kafka-2': { part: kafka, site: 'a', port: 19_093, zones: [2] },
  'kafka-3': { part: kafka, site: 'b', port: 19_094, zones: [2] },
  'kafka-4': { part: kafka, site: 'b', port: 19_095, zones: [2] },
  'kafka-5': { part: kafka, site: 'witness', port: 19_196, zones: [2] },
  'etcd-a': { part: etcd, site: 'a', port: 12_379, zones: [1, 2] },
  'etcd-b': { part: etcd, site: 'b', port: 12_389, zones: [2] },
  'etcd-witness': { part: etcd, site: 'witness', port: 12_399, zones: [2] },
  'mariadb-a': { part: mariadb, site: 'a', port: 13_306, zones: [1, 2] },
  'mariadb-b': { part: mariadb, site: 'b', port: 13_306, zones: [2] },
};
