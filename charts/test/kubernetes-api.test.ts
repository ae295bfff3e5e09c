/**
 * The coordinator against a real API server, with the rights that the chart gives it: nodes that are cordoned, a
 * StatefulSet that is scaled by its real controller, zones of nodes. Shards are what they say under `shards/<id>`.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { AppsV1Api, CoreV1Api, KubernetesObjectApi, type KubernetesObject } from '@kubernetes/client-node';
import { placementOf, readConfig } from '@chappe/coordinator/config';
import { startCoordinator, type Coordinator } from '@chappe/coordinator/coordinator';
import { openPlacement } from '@chappe/coordinator/placement';
import type { Lease } from '@chappe/coordination/coordination';
import { openEmbeddedCoordination, type EmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { changeDrain, drainPrefix, parseDrain } from '@chappe/ranges/drain';
import { parseRange, rangePrefix } from '@chappe/ranges/range';
import { formatShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { parseToldZone, toldZonePrefix } from '@chappe/ranges/told-zone';
import { borrowed } from '@chappe/store/borrowed-store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { openTelemetry, type Telemetry } from '@chappe/telemetry/telemetry';
import { startApiServer, whyNoApiServer, type ApiServer } from './api-server.ts';
import { most, render } from './render.ts';

const namespace = 'messages';
const timeout = 60_000;
const skip = whyNoApiServer() ?? false;

let api: ApiServer;
let environment: Record<string, string>;
before(
  async () => {
    if (skip !== false) return;
    api = await startApiServer();
    environment = await install(api);
  },
  { timeout: 120_000 },
);
after(() => api?.[Symbol.asyncDispose]());

/** The senders and the coordinator's rights as the chart has them, and what the coordinator's pod is told. */
async function install(server: ApiServer): Promise<Record<string, string>> {
  const { admin } = server;
  const core = admin.makeApiClient(CoreV1Api);
  const any = KubernetesObjectApi.makeApiClient(admin);
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  for (const [name, zone] of [
    ['node-a', 'zone-a'],
    ['node-b', 'zone-b'],
  ] as const)
    await core.createNode({ body: { metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } } } });
  const objects = await render([
    ...most,
    'sender.replicas=2',
    'sender.scaling.least=1',
    'sender.scaling.zones=1',
    'priorityClassName=',
  ]);
  const kinds = ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding', 'StatefulSet'];
  for (const object of objects.filter(({ kind }) => kinds.includes(kind))) {
    const body = object as unknown as KubernetesObject;
    if (body.kind?.startsWith('Cluster') !== true) body.metadata = Object.assign(body.metadata ?? {}, { namespace });
    await any.create(body);
  }
  const account = {
    name: 'chappe-coordinator',
    namespace,
    body: { spec: { audiences: [], expirationSeconds: 3_600 } },
  };
  const { status } = await core.createNamespacedServiceAccountToken(account);
  const env = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'chappe-coordinator')
    ?.spec?.template?.spec.containers[0]?.env;
  const told = (env ?? []).filter(({ name }) => /^CHAPPE_(SENDERS|KUBERNETES)_/u.test(name));
  return {
    ...Object.fromEntries(told.map(({ name, value }) => [name, value ?? namespace])),
    CHAPPE_KUBERNETES_CONFIG: await server.configFile(status?.token ?? ''),
  };
}

interface Cluster extends AsyncDisposable {
  readonly coordination: EmbeddedCoordination;
  readonly telemetry: Telemetry;
  startCoordinator(more?: Record<string, string>): Coordinator;
  /** Binds a pod, and says that it runs. */
  place(pod: string, node: string): Promise<void>;
  /** A shard that says it is there; again: with so many ranges. */
  register(shard: string, ranges?: number): Promise<Lease>;
  owners(): Promise<string[]>;
}

async function startCluster(): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'chappe-kubernetes-api-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const log = stack.use(await openSqliteLog({ path: join(folder, 'log.sqlite') }));
  const store = stack.use(await openSqliteStore({ path: join(folder, 'store.sqlite') }));
  const coordination = stack.use(await openEmbeddedCoordination({}));
  const telemetry = openTelemetry({ service: 'test', level: 'fatal' });
  const core = api.admin.makeApiClient(CoreV1Api);
  const owned = stack.move();
  return {
    coordination,
    telemetry,
    startCoordinator: (more = {}) => {
      const own = openTelemetry({ service: 'test', level: process.env['CHAPPE_TEST_LOG'] ?? 'fatal' });
      const config = readConfig({ ...environment, ...more });
      const besides = openPlacement({ coordination, log, telemetry: own, eventBuckets: 1, ...placementOf(config) });
      const common = { coordination, log, telemetry: own, initialBounds: ['5'], eventBuckets: 1 };
      const firstStore = { id: 'main', address: 'sqlite:store' };
      return startCoordinator({
        ...common,
        firstStore,
        openStore: async () => borrowed(store),
        instance: 'c',
        besides,
      });
    },
    place: async (name, node) => {
      const body = { metadata: { name }, target: { apiVersion: 'v1', kind: 'Node', name: node } };
      await core.createNamespacedPodBinding({ name, namespace, body }).catch((error: unknown) => {
        // The answer to a binding has no body that the client could read.
        if (!String(error).includes('201')) throw error;
      });
      const pod = await core.readNamespacedPod({ name, namespace });
      await core.replaceNamespacedPodStatus({
        name,
        namespace,
        body: Object.assign(pod, { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }),
      });
    },
    register: async (id, ranges = 0) => {
      const lease = await coordination.grantLease(60_000);
      const counts = { capacity: 1_000, ranges, rate: 0, attachedDevices: 0, load: {} };
      const value = formatShardInfo({ id, instance: id, address: '', zone: '', ...counts });
      await coordination.transact([], [{ kind: 'put', key: shardPrefix + id, value, lease }]);
      return lease;
    },
    owners: async () =>
      (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value).owner ?? '').toSorted(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!(await isSo())) {
    assert.ok(performance.now() < endMs, `not within 30 s: ${what}`);
    await pause(50);
  }
}

const drainOf = async (coordination: EmbeddedCoordination, shard: string) => {
  const entry = await coordination.get(drainPrefix + shard);
  return entry === undefined ? [] : Object.keys(parseDrain(entry.value));
};
const podNames = async () => {
  const { items } = await api.admin.makeApiClient(CoreV1Api).listNamespacedPod({ namespace });
  return items.map(({ metadata }) => metadata?.name ?? '').toSorted();
};
const cordon = async (name: string, unschedulable: boolean) => {
  const core = api.admin.makeApiClient(CoreV1Api);
  const node = await core.readNode({ name });
  await core.replaceNode({
    name,
    body: Object.assign(node, { spec: Object.assign(node.spec ?? {}, { unschedulable }) }),
  });
};
const scaleTo = async (replicas: number) => {
  const apps = api.admin.makeApiClient(AppsV1Api);
  const scale = await apps.readNamespacedStatefulSetScale({ name: 'chappe-sender', namespace });
  await apps.replaceNamespacedStatefulSetScale({
    name: 'chappe-sender',
    namespace,
    body: Object.assign(scale, { spec: { replicas } }),
  });
};
const replicas = async () => {
  const scale = await api.admin
    .makeApiClient(AppsV1Api)
    .readNamespacedStatefulSetScale({ name: 'chappe-sender', namespace });
  return scale.spec?.replicas;
};
const ids = ['chappe-sender-0', 'chappe-sender-1'] as const;

test(
  'shards are told the zone of their node; a cordoned node is emptied, and has its share again when it stays',
  { timeout, skip },
  async () => {
    await using cluster = await startCluster();
    const { coordination } = cluster;
    await until(async () => (await podNames()).length === 2, 'both pods are there');
    await cluster.place(ids[0], 'node-a');
    await cluster.place(ids[1], 'node-b');
    for (const id of ids) await cluster.register(id);
    await using _ = cluster.startCoordinator({ CHAPPE_SENDERS_APPLY: 'false' });
    await until(async () => (await cluster.owners()).join() === ids.join(), 'each has a range');
    const zoneOf = async (id: string) => {
      const told = await coordination.get(toldZonePrefix + id);
      return told === undefined ? undefined : parseToldZone(told.value);
    };
    await until(
      async () => (await zoneOf(ids[0])) === 'zone-a' && (await zoneOf(ids[1])) === 'zone-b',
      'zones are told',
    );

    await cordon('node-b', true);
    await until(
      async () => (await cluster.owners()).join() === [ids[0], ids[0]].join(),
      'the other one has both ranges',
    );
    assert.deepEqual(await drainOf(coordination, ids[1]), ['node']);
    // What the operator wants as well is not taken back with the node's.
    await changeDrain(coordination, ids[1], 'operator', 1);
    await cordon('node-b', false);
    await until(async () => (await drainOf(coordination, ids[1])).join() === 'operator', 'the mark is taken back');
    await changeDrain(coordination, ids[1], 'operator', undefined);

    // While the API server is away nothing changes, and afterwards it is seen again.
    await api.restart();
    await cordon('node-a', true);
    await until(async () => (await drainOf(coordination, ids[0])).join() === 'node', 'it watches again');
    await cordon('node-a', false);
    await until(async () => (await drainOf(coordination, ids[0])).length === 0, 'the mark is taken back again');
  },
);

test('the sender that goes is emptied first, whoever leads; then exactly it goes', { timeout, skip }, async () => {
  await using cluster = await startCluster();
  const { coordination } = cluster;
  await scaleTo(3);
  await until(async () => (await podNames()).length === 3, 'three pods are there');
  await cluster.place('chappe-sender-2', 'node-a').catch(() => undefined);
  const three = [...ids, 'chappe-sender-2'];
  for (const id of three) await cluster.register(id, 1);
  // At most two may be: one has to go, at the first look.
  const limits = { CHAPPE_SENDERS_MOST: '2', CHAPPE_SENDERS_LEAST: '1' };
  const drained = async () => (await drainOf(coordination, 'chappe-sender-2')).join() === 'scaling';
  {
    await using _ = cluster.startCoordinator(limits);
    await until(drained, 'the last one is to be emptied');
    assert.equal(await replicas(), 3, 'it says that it works on a range');
  }
  const since = (await coordination.get(`${drainPrefix}chappe-sender-2`))?.createRevision;
  // The next leader goes on from there.
  await using _ = cluster.startCoordinator(limits);
  await pause(1_500);
  assert.equal(await replicas(), 3, 'it still says so');
  assert.equal((await coordination.get(`${drainPrefix}chappe-sender-2`))?.createRevision, since, 'the same drain');
  await cluster.register('chappe-sender-2', 0);
  await until(async () => (await replicas()) === 2, 'there is one replica less');
  const core = api.admin.makeApiClient(CoreV1Api);
  await core.deleteNamespacedPod({ name: 'chappe-sender-2', namespace, gracePeriodSeconds: 0 }).catch(() => undefined);
  await until(async () => (await podNames()).join() === ids.join(), 'exactly that pod has gone');
  await coordination.transact([], [{ kind: 'delete', key: `${shardPrefix}chappe-sender-2` }]);
  await until(async () => !(await drained()), 'its drain is forgotten');
});

test(
  'a sender that does not get rid of its ranges in time keeps them, and nobody is sent away',
  { timeout, skip },
  async () => {
    await using cluster = await startCluster();
    const { coordination } = cluster;
    await scaleTo(3);
    const stuck = 'chappe-sender-2';
    for (const id of [...ids, stuck]) await cluster.register(id, 1);
    const limits = { CHAPPE_SENDERS_MOST: '2', CHAPPE_SENDERS_LEAST: '1', CHAPPE_SENDERS_DRAIN_SECONDS: '20' };
    await using _ = cluster.startCoordinator(limits);
    await until(async () => (await drainOf(coordination, stuck)).join() === 'scaling', 'it is to be emptied');
    await until(async () => (await drainOf(coordination, stuck)).length === 0, 'it may have its ranges again');
    const calledOff = JSON.parse((await coordination.get('scale-down'))?.value ?? '{}') as { readonly shard?: string };
    assert.equal(calledOff.shard, stuck);
    await pause(1_500);
    assert.deepEqual(await drainOf(coordination, stuck), [], 'it is let be');
    assert.equal(await replicas(), 3);
  },
);

test('more senders are asked for when there are fewer than the least', { timeout, skip }, async () => {
  await using cluster = await startCluster();
  await scaleTo(2);
  for (const id of ids) await cluster.register(id);
  await using _ = cluster.startCoordinator({ CHAPPE_SENDERS_LEAST: '4', CHAPPE_SENDERS_MOST: '6' });
  await until(async () => (await replicas()) === 4, 'the StatefulSet has four');
  await until(async () => (await podNames()).length === 4, 'its controller has made them');
});

test("the coordinator's rights are no more than it needs", { timeout, skip }, async () => {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const own = new KubeConfig();
  own.loadFromFile(environment['CHAPPE_KUBERNETES_CONFIG'] ?? '');
  const [core, apps] = [own.makeApiClient(CoreV1Api), own.makeApiClient(AppsV1Api)];
  const isForbidden = { code: 403 };
  await assert.rejects(core.listNamespacedSecret({ namespace }), isForbidden);
  await assert.rejects(core.listNamespacedPod({ namespace: 'default' }), isForbidden);
  await assert.rejects(core.deleteNamespacedPod({ name: ids[0], namespace }), isForbidden);
  await assert.rejects(apps.readNamespacedStatefulSet({ name: 'chappe-sender', namespace }), isForbidden);
  await assert.rejects(apps.readNamespacedStatefulSetScale({ name: 'other', namespace }), isForbidden);
});
