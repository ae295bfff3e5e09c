/** The control plane: etcd, API server, controllers and scheduler, the cluster's DNS and an image registry, as processes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand, startServer } from '../../load-tests/stack/process-record.ts';
import { labFolder, tool } from '../test/tools.ts';
import { authority, certificateOf, makeAuthority, serviceAccountKey, writeKubeconfig } from './certificates.ts';
import { kubectl, until } from './kubectl.ts';
import { kubernetesPrograms, type KubernetesProgram } from './kubernetes-programs.ts';
import {
  apiServiceAddress,
  bridge,
  etcdPorts,
  hostAddress,
  kubeconfig,
  podSubnet,
  registry,
  serviceSubnet,
  stateFolder,
} from './layout.ts';
import { writeIfChanged } from './write-if-changed.ts';

/** In the order in which they start; they end the other way round. */
export const controlPlane = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'coredns',
  'registry',
] as const;

const answersMsMax = 90_000;

export async function startControlPlane(): Promise<void> {
  await makeAuthority();
  await makeBridge();
  await startEtcd();
  await startApiServer();
  await startControllers();
  await startDns();
  await startRegistry();
}

async function makeBridge(): Promise<void> {
  const isThere = await runCommand('ip', ['link', 'show', bridge]).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await runCommand('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await runCommand('ip', ['addr', 'add', `${hostAddress}/24`, 'dev', bridge]);
  await runCommand('ip', ['link', 'set', bridge, 'up']);
}

/** @param settings as `--name=value` */
async function start(program: KubernetesProgram, settings: Readonly<Record<string, string>>): Promise<void> {
  await startServer(stateFolder, {
    name: program,
    command: join(await kubernetesPrograms(), program),
    args: Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    ports: [],
  });
}

async function startEtcd(): Promise<void> {
  const [client, peer] = [`http://127.0.0.1:${etcdPorts.client}`, `http://127.0.0.1:${etcdPorts.peer}`];
  await start('etcd', {
    name: 'lab',
    'data-dir': join(stateFolder, 'etcd'),
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `lab=${peer}`,
    // The lab is made anew after a crash of the machine.
    'unsafe-no-fsync': 'true',
  });
  await until('etcd is healthy', answersMsMax, async () => (await fetch(`${client}/health`)).ok);
}

async function startApiServer(): Promise<void> {
  const server = await certificateOf('kube-apiserver', '/CN=kube-apiserver', [
    `IP:${hostAddress}`,
    `IP:${apiServiceAddress}`,
    'DNS:kubernetes.default.svc',
  ]);
  const admin = await certificateOf('admin', '/O=system:masters/CN=admin');
  await writeKubeconfig(kubeconfig, admin);
  await start('kube-apiserver', {
    'etcd-servers': `http://127.0.0.1:${etcdPorts.client}`,
    'bind-address': hostAddress,
    'advertise-address': hostAddress,
    'service-cluster-ip-range': serviceSubnet,
    'authorization-mode': 'Node,RBAC',
    // A pod's label says its node's zone, as Kubernetes does by itself from 1.35 on.
    'enable-admission-plugins': 'NodeRestriction,PodTopologyLabels',
    'feature-gates': 'PodTopologyLabelsAdmission=true',
    'client-ca-file': authority.certificate,
    'tls-cert-file': server.certificate,
    'tls-private-key-file': server.key,
    'kubelet-client-certificate': admin.certificate,
    'kubelet-client-key': admin.key,
    'kubelet-preferred-address-types': 'InternalIP',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': serviceAccountKey,
    'service-account-signing-key-file': serviceAccountKey,
    'cert-dir': join(stateFolder, 'kube-apiserver'),
    profiling: 'false',
  });
  await until('the API answers', answersMsMax, async () => (await kubectl(['get', '--raw', '/readyz'])) === 'ok');
}

async function startControllers(): Promise<void> {
  await start('kube-controller-manager', {
    ...(await commonSettings('kube-controller-manager')),
    'use-service-account-credentials': 'true',
    'service-account-private-key-file': serviceAccountKey,
    'root-ca-file': authority.certificate,
    'allocate-node-cidrs': 'false',
    'cluster-cidr': podSubnet,
    'service-cluster-ip-range': serviceSubnet,
  });
  await start('kube-scheduler', await commonSettings('kube-scheduler'));
  await until('controllers work', answersMsMax, async () => {
    await kubectl(['--namespace', 'default', 'get', 'serviceaccount', 'default']);
    return true;
  });
}

async function commonSettings(name: string): Promise<Record<string, string>> {
  const path = join(stateFolder, `${name}.kubeconfig`);
  await writeKubeconfig(path, await certificateOf(name, `/CN=system:${name}`));
  return {
    kubeconfig: path,
    'authentication-kubeconfig': path,
    'authorization-kubeconfig': path,
    'bind-address': '127.0.0.1',
    'leader-elect': 'false',
    'cert-dir': join(stateFolder, name),
  };
}

async function startDns(): Promise<void> {
  const path = join(stateFolder, 'coredns.kubeconfig');
  await writeKubeconfig(path, await certificateOf('coredns', '/O=system:masters/CN=coredns'));
  await writeIfChanged(
    join(stateFolder, 'Corefile'),
    `.:53 {
  bind ${hostAddress}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${path}
    ttl 5
  }
  loadbalance
}
`,
  );
  await startServer(stateFolder, {
    name: 'coredns',
    command: await tool('coredns'),
    args: ['-conf', join(stateFolder, 'Corefile')],
    ports: [],
  });
}

/** Nodes ask it for every image, whatever registry its name says. It stays when the lab is down. */
async function startRegistry(): Promise<void> {
  const config = {
    version: 0.1,
    log: { level: 'warn' },
    storage: { filesystem: { rootdirectory: join(labFolder, 'registry') } },
    http: { addr: registry },
  };
  await mkdir(join(labFolder, 'registry'), { recursive: true });
  await writeIfChanged(join(stateFolder, 'registry.json'), JSON.stringify(config));
  await startServer(stateFolder, {
    name: 'registry',
    command: 'docker-registry',
    args: ['serve', join(stateFolder, 'registry.json')],
    ports: [],
  });
  await until('the image registry answers', answersMsMax, async () => (await fetch(`http://${registry}/v2/`)).ok);
}
