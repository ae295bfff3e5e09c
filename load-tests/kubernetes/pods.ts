/** What runs where, as Kubernetes says. */
import { kubectl } from '../../charts/lab/kubectl.ts';
import { namespace } from './releases.ts';

export interface Pod {
  readonly name: string;
  /** Of this very pod: the next one of its name has another. */
  readonly uid: string;
  /** Of the chart: `gateway`, `sender`, ... */
  readonly component: string;
  /** Absent: it has none yet. */
  readonly node: string | undefined;
  readonly image: string;
  /** Of the pod; empty: it has none yet. */
  readonly address: string;
  readonly isReady: boolean;
  /** Why a container waits, e.g. `ErrImagePull: ...`; or why it has no node. */
  readonly problem: string;
}

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly image: string }[] };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
}

/** Those that are not asked to go. @param at absent: the namespace of the run */
export async function podsOf(release: string, at = namespace): Promise<Pod[]> {
  const selector = `--selector=app.kubernetes.io/instance=${release}`;
  const text = await kubectl(['--namespace', at, 'get', 'pods', selector, '--output=json']);
  const { items } = JSON.parse(text) as { readonly items: readonly PodObject[] };
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => {
      const waiting = status.containerStatuses?.[0]?.state?.waiting;
      const unscheduled = status.conditions?.find(({ type, status: is }) => type === 'PodScheduled' && is === 'False');
      return {
        name: metadata.name,
        uid: metadata.uid,
        component: metadata.labels?.['app.kubernetes.io/component'] ?? '',
        node: spec.nodeName,
        image: spec.containers[0]?.image ?? '',
        address: status.podIP ?? '',
        isReady: status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
        problem:
          waiting === undefined ? (unscheduled?.message ?? '') : `${waiting.reason ?? ''}: ${waiting.message ?? ''}`,
      };
    });
}

/** Runs JavaScript where a pod is, in its network and under the network policies for it. @returns what it printed */
export async function runIn(pod: string, script: string, args: readonly string[]): Promise<string> {
  return kubectl(['--namespace', namespace, 'exec', pod, '--', '/usr/bin/node', '--eval', script, ...args]);
}

/** How many of a service are on each node, in words: `gateway 1+1`. */
export function spreadOf(pods: readonly Pod[], nodeNames: readonly string[]): string {
  const components = [...new Set(pods.map(({ component }) => component))].toSorted();
  return components
    .map((component) => {
      const counts = nodeNames.map(
        (node) => pods.filter((pod) => pod.component === component && pod.node === node).length,
      );
      return `${component} ${counts.join('+')}`;
    })
    .join(', ');
}

/** Of each pod of a service, as its kubelet measures it, in words. */
export async function memoryOf(component: string): Promise<string> {
  const pods = (await podsOf('chappe')).filter((pod) => pod.component === component);
  const sizes = await Promise.all(
    pods.map(async ({ name, node }) => {
      const text = await kubectl(['get', '--raw', `/api/v1/nodes/${node ?? ''}/proxy/stats/summary`]);
      const { pods: all } = JSON.parse(text) as {
        readonly pods: readonly {
          readonly podRef: { readonly name: string };
          readonly memory?: { readonly workingSetBytes?: number };
        }[];
      };
      const bytes = all.find(({ podRef }) => podRef.name === name)?.memory?.workingSetBytes;
      return bytes === undefined ? 'not measured yet' : `${Math.round(bytes / 2 ** 20)} MiB`;
    }),
  );
  return sizes.join(', ');
}
