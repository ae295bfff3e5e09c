/**
 * JSON schemas of Kubernetes' objects from its OpenAPI description: strict, so that a field which the API would drop
 * without a word is an error.
 */

interface Schema {
  type?: string;
  format?: string;
  $ref?: string;
  enum?: unknown[];
  oneOf?: Schema[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  'x-kubernetes-group-version-kind'?: { readonly group: string; readonly version: string; readonly kind: string }[];
}

const quantity = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const definitionsFile = '_definitions.json';

/** Files by their names: one with all definitions, one for each kind, as kubeconform names them. */
export function* schemasOf(api: unknown): Generator<readonly [file: string, schema: unknown]> {
  const { definitions } = structuredClone(api) as { definitions: Record<string, Schema> };
  for (const schema of Object.values(definitions)) makeStrict(schema);
  definitions[quantity] = { oneOf: [{ type: 'string' }, { type: 'number' }] };
  yield [definitionsFile, { definitions }];
  for (const schema of Object.values(definitions)) {
    const [known, ...others] = schema['x-kubernetes-group-version-kind'] ?? [];
    // What belongs to every group, as DeleteOptions, is no object of a chart.
    if (known === undefined || others.length > 0) continue;
    const { group, version, kind } = known;
    const apiVersion = { enum: [group === '' ? version : `${group}/${version}`] };
    const properties = { ...schema.properties, apiVersion, kind: { enum: [kind] } };
    const name = [kind.toLowerCase(), group.split('.')[0], version].filter((part) => part !== '').join('-');
    yield [`${name}.json`, { ...schema, properties, required: [...(schema.required ?? []), 'apiVersion', 'kind'] }];
  }
}

function makeStrict(schema: Schema): void {
  if (schema.format === 'int-or-string') {
    delete schema.type;
    schema.oneOf = [{ type: 'string' }, { type: 'integer' }];
  }
  delete schema.format;
  if (schema.$ref !== undefined) schema.$ref = `${definitionsFile}${schema.$ref}`;
  if (schema.properties !== undefined) schema.additionalProperties ??= false;
  for (const part of Object.values(schema.properties ?? {})) makeStrict(part);
  for (const part of [schema.items, schema.additionalProperties]) if (typeof part === 'object') makeStrict(part);
}
