/**
 * Where the lab is: a Kubernetes cluster of two nodes in two zones on one Linux machine. A node is a network namespace
 * with a containerd and a kubelet of its own, on one bridge with the control plane, which runs on the machine itself.
 *
 * There is one lab on a machine, whichever clone of the repository brought it up: names and addresses are fixed.
 */
import { join } from 'node:path';
import { labFolder } from '../test/tools.ts';

/** Data, certificates, logs and process records of the lab that runs; gone when it is down. */
export const stateFolder = join(labFolder, 'state');
export const certificatesFolder = join(stateFolder, 'certificates');
/** What an administrator shows to the API. */
export const kubeconfig = join(stateFolder, 'admin.kubeconfig');

export const bridge = 'chappe-lab';
/** The machine on the bridge: API server, cluster DNS and image registry, and whoever is outside of the cluster. */
export const hostAddress = '10.99.0.1';
export const apiServer = `https://${hostAddress}:6443`;
export const registry = `${hostAddress}:5000`;
/** Of the cluster's own etcd, on loopback. */
export const etcdPorts = { client: 23_790, peer: 23_791 } as const;
export const serviceSubnet = '10.96.0.0/16';
export const apiServiceAddress = '10.96.0.1';
export const podSubnet = '10.244.0.0/16';

export interface LabNode {
  readonly name: string;
  readonly zone: string;
  readonly address: string;
  /** Of its pods. */
  readonly subnet: string;
  /** Of the network, of control groups, and of the machine's end of the node's cable. At most 15 characters. */
  readonly namespace: string;
  /** Containers, images, pods. */
  readonly folder: string;
}

export const nodes: readonly LabNode[] = ['a', 'b'].map((letter, index) => ({
  name: `node-${letter}`,
  zone: `zone-${letter}`,
  address: `10.99.0.${11 + index}`,
  subnet: `10.244.${1 + index}.0/24`,
  namespace: `chappe-lab-${letter}`,
  folder: join(stateFolder, `node-${letter}`),
}));

/** Zones of the nodes that are only told to Kubernetes: the third has no other. */
export const simulatedZones = ['zone-a', 'zone-b', 'zone-c'] as const;
