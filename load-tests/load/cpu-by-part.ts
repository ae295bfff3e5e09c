/** Attributes the samples of a V8 CPU profile to the parts of the product and to its libraries. */

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Microseconds of self time by part. Native code counts for whoever called it; idle time is left out. */
export function cpuByPart(profileText: string): Map<string, number> {
  const profile = JSON.parse(profileText) as Profile;
  const parents = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const partOf = (id: number | undefined): string => {
    const node = id === undefined ? undefined : nodes.get(id);
    if (node === undefined) return 'node itself';
    const { functionName, url } = node.callFrame;
    if (functionName === '(garbage collector)') return 'garbage collection';
    if (functionName === '(idle)') return 'idle';
    return nameOf(url) ?? partOf(parents.get(node.id));
  };
  const parts = new Map<string, number>();
  for (const [index, id] of profile.samples.entries()) {
    const part = partOf(id);
    if (part !== 'idle') parts.set(part, (parts.get(part) ?? 0) + (profile.timeDeltas[index] ?? 0));
  }
  return new Map([...parts].toSorted(([, a], [, b]) => b - a));
}

function nameOf(url: string): string | undefined {
  const library = url.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (library !== null) return library[1];
  const own = url.match(/\/((?:services|libs)\/[^/]+)\//);
  if (own !== null) return own[1];
  if (url.startsWith('node:internal/http2') || url === 'node:http2') return 'node http2';
  return undefined;
}
