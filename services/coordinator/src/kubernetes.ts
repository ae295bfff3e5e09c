/**
 * What the coordinator knows of Kubernetes: the senders' pods and all nodes, as watches keep them, and the number of
 * replicas of the senders' StatefulSet.
 *
 * The client is loaded here and by nobody else, and only when it is asked for: it takes 90 MB and a second, which
 * processes outside of Kubernetes do not pay. A watch that ends is begun again from what it had seen.
 */
import type { Informer, KubernetesObject, ObjectCache, V1Node, V1Pod } from '@kubernetes/client-node';
import { setTimeout as sleep } from 'node:timers/promises';
import { kubernetesCallMs, retryMs } from './limits.ts';
import { whyNodeLeaves, type Node, type Pod } from './nodes.ts';

export interface KubernetesOptions {
  readonly namespace: string;
  /** The StatefulSet of the senders. */
  readonly statefulSet: string;
  /** `label=value,...`: what its pods have. */
  readonly podLabels: string;
  /** What a zone is called on nodes and pods. */
  readonly zoneLabel: string;
  /** A file as kubectl has it. Absent: the pod's service account. */
  readonly configFile?: string;
  /** Called whenever pods or nodes changed. */
  readonly onChange: () => void;
  readonly onProblem: (what: string, error: unknown) => void;
}

export interface Kubernetes extends AsyncDisposable {
  /** The name of the senders' StatefulSet: their pods, and so the shards, are called `<name>-<ordinal>`. */
  readonly statefulSet: string;
  /** By name. Undefined: not known yet. */
  pods(): ReadonlyMap<string, Pod> | undefined;
  nodes(): ReadonlyMap<string, Node> | undefined;
  /** @throws Error with what the API said */
  replicas(): Promise<Replicas>;
  /**
   * @returns false if the StatefulSet is another one than `seen` meanwhile, in any way: look again
   * @throws Error with what the API said
   */
  setReplicas(count: number, seen: Replicas): Promise<boolean>;
}

export interface Replicas {
  readonly count: number;
  /** Which version of the StatefulSet has it. */
  readonly version: string;
}

type ClientModule = typeof import('@kubernetes/client-node');

/** @throws Error if there is neither a file nor a service account */
export async function openKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const client = await import('@kubernetes/client-node');
  const { namespace, statefulSet: name, podLabels, zoneLabel } = options;
  const config = new client.KubeConfig();
  if (options.configFile === undefined) config.loadFromCluster();
  else config.loadFromFile(options.configFile);
  const core = config.makeApiClient(client.CoreV1Api);
  const apps = config.makeApiClient(client.AppsV1Api);
  const pods = new Watched<V1Pod>('pods', options, () =>
    client.makeInformer(
      config,
      `/api/v1/namespaces/${namespace}/pods`,
      () => core.listNamespacedPod({ namespace, labelSelector: podLabels }),
      podLabels,
    ),
  );
  const nodes = new Watched<V1Node>('nodes', options, () =>
    client.makeInformer(config, '/api/v1/nodes', () => core.listNode()),
  );
  return {
    statefulSet: name,
    pods: () => pods.byName((pod) => podOf(pod, zoneLabel)),
    nodes: () => nodes.byName((node) => nodeOf(node, zoneLabel)),
    replicas: async () => {
      const { spec, metadata } = await timely(apps.readNamespacedStatefulSetScale({ name, namespace }));
      return { count: spec?.replicas ?? 0, version: metadata?.resourceVersion ?? '' };
    },
    setReplicas: async (count, { version }) => {
      const body = { metadata: { resourceVersion: version }, spec: { replicas: count } };
      const asMerge = client.setHeaderOptions('Content-Type', client.PatchStrategy.MergePatch);
      try {
        await timely(apps.patchNamespacedStatefulSetScale({ name, namespace, body }, asMerge));
        return true;
      } catch (error) {
        if (isConflict(client, error)) return false;
        throw error;
      }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([pods[Symbol.asyncDispose](), nodes[Symbol.asyncDispose]()]);
    },
  };
}

/** Objects of a kind, listed once and then watched. */
class Watched<T extends KubernetesObject> implements AsyncDisposable {
  readonly #what: string;
  readonly #options: KubernetesOptions;
  readonly #informer: Informer<T> & ObjectCache<T>;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #failed = Promise.withResolvers<unknown>();
  #hasFailed = false;
  #isKnown = false;

  constructor(what: string, options: KubernetesOptions, open: () => Informer<T> & ObjectCache<T>) {
    this.#what = what;
    this.#options = options;
    this.#informer = open();
    this.#informer.on('change', () => options.onChange());
    // Told of each failure once; it then stands still until it is started again.
    this.#informer.on('error', (error: unknown) => {
      this.#hasFailed = true;
      this.#failed.resolve(error);
    });
    this.#running = this.#run();
  }

  byName<V extends { readonly name: string }>(of: (object: T) => V): ReadonlyMap<string, V> | undefined {
    if (!this.#isKnown) return undefined;
    return new Map(this.#informer.list().map((object) => [object.metadata?.name ?? '', of(object)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#informer.stop();
    this.#failed.resolve(undefined);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let waitMs: number = retryMs.first;
    while (!signal.aborted) {
      const startedMs = performance.now();
      const error = await this.#watchUntilItFails();
      if (signal.aborted) return;
      this.#options.onProblem(`${this.#what} cannot be watched, it is tried again`, error);
      if (performance.now() - startedMs > retryMs.longest) waitMs = retryMs.first;
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, retryMs.longest);
    }
  }

  async #watchUntilItFails(): Promise<unknown> {
    this.#failed = Promise.withResolvers();
    this.#hasFailed = false;
    try {
      // Resolves when it watches, and also when it has told of a failure.
      await this.#informer.start();
    } catch (error) {
      return error;
    }
    if (!this.#hasFailed && !this.#isKnown) {
      this.#isKnown = true;
      this.#options.onChange();
    }
    return this.#failed.promise;
  }
}

function podOf({ metadata, spec, status }: V1Pod, zoneLabel: string): Pod {
  const node = spec?.nodeName;
  return {
    name: metadata?.name ?? '',
    ...(node === undefined ? {} : { node }),
    isRunning: status?.phase === 'Running',
    hasZone: (metadata?.labels?.[zoneLabel] ?? '') !== '',
  };
}

function nodeOf({ metadata, spec }: V1Node, zoneLabel: string): Node {
  const zone = metadata?.labels?.[zoneLabel];
  const leaves = whyNodeLeaves(spec?.unschedulable === true, spec?.taints ?? []);
  return {
    name: metadata?.name ?? '',
    ...(zone === undefined ? {} : { zone }),
    ...(leaves === undefined ? {} : { leaves }),
  };
}

/** Not awaited further when it takes too long: what it does nevertheless is seen at the next look. */
async function timely<T>(call: Promise<T>): Promise<T> {
  const late = new AbortController();
  const timeout = sleep(kubernetesCallMs, undefined, { signal: late.signal, ref: false }).then(() => {
    throw new Error(`Kubernetes did not answer within ${kubernetesCallMs} ms`);
  });
  try {
    return await Promise.race([call, timeout]);
  } finally {
    late.abort();
    timeout.catch(() => undefined);
    call.catch(() => undefined);
  }
}

function isConflict(client: ClientModule, error: unknown): boolean {
  return error instanceof client.ApiException && error.code === 409;
}
