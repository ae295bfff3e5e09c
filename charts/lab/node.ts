/** One node: a network namespace on the bridge, in it containerd, a kubelet, kube-proxy and kube-router, and control groups of its own. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runCommand, startServer, stopServer } from '../../load-tests/stack/process-record.ts';
import { authority, certificateOf, writeKubeconfig } from './certificates.ts';
import { pauseImage } from './images.ts';
import { tool } from '../test/tools.ts';
import { apply, kubectl, until } from './kubectl.ts';
import { kubernetesPrograms } from './kubernetes-programs.ts';
import { bridge, hostAddress, nodes, podSubnet, registry, serviceSubnet, stateFolder, type LabNode } from './layout.ts';
import { writeIfChanged } from './write-if-changed.ts';

/** Of control groups, version 1: each controller is a tree of its own. */
const controlGroups = '/sys/fs/cgroup';
const registeredMsMax = 90_000;
const localVolumes = 3;

/** With pods running if they should; on every node at once. */
export async function startNodes(): Promise<void> {
  await Promise.all(nodes.map(startNode));
  for (const node of nodes)
    for (const other of nodes)
      if (other !== node)
        await runCommand('nsenter', [
          ...inNetworkOf(node),
          'ip',
          'route',
          'replace',
          other.subnet,
          'via',
          other.address,
        ]);
  const proxyCredentials = await credentialsOf('kube-proxy', 'system:node-proxier');
  await Promise.all(nodes.map((node) => startProxy(node, proxyCredentials)));
  await apply([policyReader]);
  const policyCredentials = await credentialsOf('kube-router', policyReader.metadata.name);
  await Promise.all(nodes.map((node) => startPolicies(node, policyCredentials)));
  await offerVolumes();
  for (const { name } of nodes) await kubectl(['wait', '--for=condition=Ready', `node/${name}`, '--timeout=90s']);
}

async function startNode(node: LabNode): Promise<void> {
  const { folder, name, zone } = node;
  await mkdir(join(folder, 'network'), { recursive: true });
  await makeNetwork(node);
  await makeControlGroups(node);
  await startContainerd(node);
  await startKubelet(node);
  await until(`${name} is registered`, registeredMsMax, async () => {
    await kubectl(['get', 'node', name]);
    return true;
  });
  const labels = [`topology.kubernetes.io/zone=${zone}`, 'topology.kubernetes.io/region=lab'];
  await kubectl(['label', '--overwrite', 'node', name, ...labels]);
}

/** Not `ip netns exec`: that mounts /sys anew, without the control groups. */
function inNetworkOf({ namespace }: LabNode): string[] {
  return [`--net=/run/netns/${namespace}`];
}

async function makeNetwork(node: LabNode): Promise<void> {
  const { namespace, address, subnet } = node;
  if (!existsSync(`/run/netns/${namespace}`)) {
    await runCommand('ip', ['netns', 'add', namespace]);
    await runCommand('ip', ['link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
    await runCommand('ip', ['link', 'set', namespace, 'master', bridge, 'up']);
    const inside = [
      'ip link set lo up',
      `ip addr add ${address}/24 dev eth0`,
      'ip link set eth0 up',
      `ip route add default via ${hostAddress}`,
      'echo 1 > /proc/sys/net/ipv4/ip_forward',
      // Packets between pods of one node, which its bridge would pass on by itself, are looked at as well.
      'echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables',
    ];
    await runCommand('nsenter', [...inNetworkOf(node), 'sh', '-ec', inside.join('\n')]);
  }
  await runCommand('ip', ['route', 'replace', subnet, 'via', address]);
  const network = {
    cniVersion: '0.4.0',
    name: 'lab',
    plugins: [
      {
        type: 'bridge',
        bridge: 'pods',
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: join(node.folder, 'addresses'),
          ranges: [[{ subnet }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
  await writeIfChanged(join(node.folder, 'network', '10-lab.conflist'), JSON.stringify(network));
}

/** A kubelet does not make its own root. */
async function makeControlGroups({ namespace }: LabNode): Promise<void> {
  if (existsSync(`${controlGroups}/cgroup.controllers`))
    throw new Error('the lab knows control groups of version 1 only; on this machine use kind or minikube');
  for (const group of await groupsOf(namespace)) {
    if (group.startsWith(`${controlGroups}/unified/`)) continue;
    await mkdir(group, { recursive: true });
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const ofParent = await readFile(join(group, '..', file), 'utf8').catch(() => undefined);
      if (ofParent !== undefined) await writeFile(join(group, file), ofParent);
    }
  }
}

/** `unified` is version 2, beside the others: runc makes groups there as well. */
async function groupsOf(namespace: string): Promise<string[]> {
  const found = await readdir(controlGroups, { withFileTypes: true });
  return found.filter((entry) => entry.isDirectory()).map(({ name }) => join(controlGroups, name, namespace));
}

async function startContainerd(node: LabNode): Promise<void> {
  const { folder, name } = node;
  const mirrors = join(folder, 'mirrors');
  for (const host of ['docker.io', '_default']) {
    await mkdir(join(mirrors, host), { recursive: true });
    const mirror = `server = "http://${registry}"\n[host."http://${registry}"]\n  capabilities = ["pull", "resolve"]\n`;
    await writeIfChanged(join(mirrors, host, 'hosts.toml'), mirror);
  }
  await writeIfChanged(
    join(folder, 'containerd.toml'),
    `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
[grpc]
  address = "${socketOf(node)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # Containers may be limited further, never less than the lab itself is.
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "${mirrors}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${folder}/network"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
`,
  );
  await startServer(stateFolder, {
    name: `${name}-containerd`,
    command: 'nsenter',
    args: [...inNetworkOf(node), 'containerd', '--config', join(folder, 'containerd.toml')],
    ports: [],
  });
  await until(`containerd of ${name} answers`, registeredMsMax, async () => {
    await runCommand('ctr', ['--address', socketOf(node), 'version']);
    return true;
  });
}

async function startKubelet(node: LabNode): Promise<void> {
  const { folder, name, namespace, address } = node;
  const shown = await certificateOf(name, `/O=system:nodes/CN=system:node:${name}`, [`IP:${address}`, `DNS:${name}`]);
  await writeKubeconfig(join(folder, 'kubeconfig'), shown);
  const settings = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address,
    readOnlyPort: 0,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${namespace}`,
    failCgroupV1: false,
    failSwapOn: false,
    // Raising it takes a right that containers of a CI do not have.
    oomScoreAdj: 0,
    containerRuntimeEndpoint: `unix://${socketOf(node)}`,
    clusterDomain: 'cluster.local',
    clusterDNS: [hostAddress],
    // Nothing is asked of the machine's own name servers.
    resolvConf: '',
    podLogsDir: join(folder, 'pod-logs'),
    imageGCHighThresholdPercent: 100,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: authority.certificate },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: shown.certificate,
    tlsPrivateKeyFile: shown.key,
  };
  await writeIfChanged(join(folder, 'kubelet.json'), JSON.stringify(settings));
  await startServer(stateFolder, {
    name: `${name}-kubelet`,
    command: 'nsenter',
    args: [
      ...inNetworkOf(node),
      join(await kubernetesPrograms(), 'kubelet'),
      `--config=${folder}/kubelet.json`,
      `--kubeconfig=${folder}/kubeconfig`,
      `--root-dir=${folder}/kubelet`,
      `--hostname-override=${name}`,
      `--node-ip=${address}`,
    ],
    ports: [],
  });
}

/** @returns what a user shows to the API, in a file */
async function credentialsOf(user: string, role: string): Promise<string> {
  await apply([
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `lab-${user}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: `system:${user}` }],
    },
  ]);
  const path = join(stateFolder, `${user}.kubeconfig`);
  await writeKubeconfig(path, await certificateOf(user, `/CN=system:${user}`));
  return path;
}

async function startProxy(node: LabNode, credentials: string): Promise<void> {
  const { folder, name } = node;
  const settings = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    clientConnection: { kubeconfig: credentials },
    hostnameOverride: name,
    mode: 'iptables',
    clusterCIDR: podSubnet,
    oomScoreAdj: 0,
    // The limits of connection tracking are the machine's, not the namespace's.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
  await writeIfChanged(join(folder, 'kube-proxy.json'), JSON.stringify(settings));
  await startServer(stateFolder, {
    name: `${name}-kube-proxy`,
    command: 'nsenter',
    args: [...inNetworkOf(node), join(await kubernetesPrograms(), 'kube-proxy'), `--config=${folder}/kube-proxy.json`],
    ports: [],
  });
}

const policyReader = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'lab-network-policies' },
  rules: [
    {
      apiGroups: ['', 'networking.k8s.io', 'discovery.k8s.io'],
      resources: ['namespaces', 'pods', 'nodes', 'services', 'endpoints', 'endpointslices', 'networkpolicies'],
      verbs: ['get', 'list', 'watch'],
    },
  ],
};

/** Network policies are kept by kube-router, which does nothing else here. */
async function startPolicies(node: LabNode, credentials: string): Promise<void> {
  await startServer(stateFolder, {
    name: `${node.name}-kube-router`,
    command: 'nsenter',
    args: [
      ...inNetworkOf(node),
      await tool('kube-router'),
      '--run-firewall',
      '--run-router=false',
      '--run-service-proxy=false',
      `--kubeconfig=${credentials}`,
      `--hostname-override=${node.name}`,
      `--service-cluster-ip-range=${serviceSubnet}`,
      '--health-port=0',
    ],
    ports: [],
  });
}

const storageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'kubernetes.io/no-provisioner',
  volumeBindingMode: 'WaitForFirstConsumer',
};

/**
 * Folders of a node that claims may have: as on any cluster a claim without a class gets one of them. One whose claim is
 * gone is emptied and offered again.
 */
async function offerVolumes(): Promise<void> {
  await apply([storageClass]);
  const states = await kubectl([
    'get',
    'persistentvolume',
    '--output',
    'jsonpath={range .items[*]}{.metadata.name}={.status.phase} {end}',
  ]);
  for (const node of nodes)
    for (let index = 0; index < localVolumes; index += 1) {
      const [name, path] = [`${node.name}-${index}`, join(node.folder, 'volumes', String(index))];
      if (states.includes(`${name}=Released`)) {
        await kubectl(['delete', 'persistentvolume', name]);
        await rm(path, { recursive: true });
      }
      await mkdir(path, { recursive: true });
      await apply([volumeOf(node.name, name, path)]);
    }
}

function volumeOf(node: string, name: string, path: string): object {
  const here = { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '4Gi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: 'local',
      persistentVolumeReclaimPolicy: 'Retain',
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [here] } },
    },
  };
}

function socketOf({ folder }: LabNode): string {
  return join(folder, 'containerd.sock');
}

/** Ends what runs on the node, then the node, and takes back what was made for it. */
export async function stopNode(node: LabNode): Promise<void> {
  const { name, namespace, folder, subnet } = node;
  for (const server of ['kubelet', 'kube-proxy', 'kube-router']) await stopServer(stateFolder, `${name}-${server}`);
  await endContainers(node);
  await stopServer(stateFolder, `${name}-containerd`);
  for (const mount of await mountsBelow(folder)) await runCommand('umount', ['--lazy', mount]).catch(() => undefined);
  await runCommand('ip', ['route', 'del', subnet]).catch(() => undefined);
  await runCommand('ip', ['link', 'del', namespace]).catch(() => undefined);
  await runCommand('ip', ['netns', 'del', namespace]).catch(() => undefined);
  for (const group of await groupsOf(namespace))
    await runCommand('find', [group, '-depth', '-type', 'd', '-delete']).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
}

/** Containers outlive their containerd: all that is in the node's control groups, and the shims that speak to its socket. */
async function endContainers(node: LabNode): Promise<void> {
  const pods = await podNamespaces(node);
  for (let round = 0; round < 50; round += 1) {
    const pids = [...(await containersOf(node)), ...(await shimsOf(node))];
    if (pids.length === 0) break;
    for (const pid of pids) kill(pid);
    await pause(100);
  }
  for (const pod of pods) await runCommand('ip', ['netns', 'del', pod]).catch(() => undefined);
}

/** @param within a part of the path of their control group; absent: all of the node's */
async function containersOf({ namespace }: LabNode, within = ''): Promise<number[]> {
  // Every controller has the same processes; this one is on every kernel that runs containers.
  const root = `${controlGroups}/memory/${namespace}`;
  const files = await runCommand('find', [root, '-path', `*${within}*`, '-name', 'cgroup.procs']).catch(() => '');
  const pids: number[] = [];
  for (const file of files.split('\n').filter((each) => each !== ''))
    pids.push(
      ...(await readFile(file, 'utf8').catch(() => '')).split('\n').flatMap((pid) => (pid === '' ? [] : Number(pid))),
    );
  return pids;
}

async function shimsOf(node: LabNode): Promise<number[]> {
  const pids: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const words = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0]?.endsWith('containerd-shim-runc-v2') && words.includes(socketOf(node))) pids.push(Number(entry));
  }
  return pids;
}

/** Those that containerd made for the node's pods. */
async function podNamespaces(node: LabNode): Promise<string[]> {
  const sandboxes = await runCommand('ctr', [
    '--address',
    socketOf(node),
    '--namespace',
    'k8s.io',
    'containers',
    'ls',
    '-q',
  ]).catch(() => '');
  const found = new Set<string>();
  for (const id of sandboxes.split('\n').filter((each) => each !== '')) {
    const info = await runCommand('ctr', [
      '--address',
      socketOf(node),
      '--namespace',
      'k8s.io',
      'containers',
      'info',
      id,
    ]).catch(() => '');
    for (const [, name] of info.matchAll(/\/netns\/(cni-[0-9a-f-]+)/g)) if (name !== undefined) found.add(name);
  }
  return [...found];
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function mountsBelow(folder: string): Promise<string[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  return mounts.filter((mount) => mount.startsWith(`${folder}/`)).toReversed();
}

/** As the loss of a zone: its cable is pulled. */
export async function setCable({ namespace }: LabNode, state: 'up' | 'down'): Promise<void> {
  await runCommand('ip', ['link', 'set', namespace, state]);
}

/** To each process of a pod. @param uid as Kubernetes has it. @throws Error if there is none */
export async function signalPod(node: LabNode, uid: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  const pids = await containersOf(node, `pod${uid}`);
  if (pids.length === 0) throw new Error(`no process of pod ${uid} is on ${node.name}`);
  for (const pid of pids) process.kill(pid, signal);
}
