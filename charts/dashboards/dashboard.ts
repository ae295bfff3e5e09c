/**
 * A dashboard as one writes it, and as Grafana reads it. `{@}` in an expression stands for the cluster that was
 * chosen, `{@,code="0"}` for that and more.
 */

export type Unit = 'short' | 'cps' | 'mps' | 's' | 'percentunit' | 'bytes' | 'd' | 'none';

export interface Query {
  readonly expr: string;
  /** Names of labels in double braces, as Grafana has them. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Absent: lines. */
  readonly kind?: 'lines' | 'stacked' | 'figure';
}

export interface Dashboard {
  /** Of its file and its address. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
}

const [columns, panelWidth, panelHeight] = [24, 8, 8];

export function lines(title: string, unit: Unit, description: string, ...queries: readonly [string, string][]): Panel {
  return { title, unit, description, queries: queries.map(([expr, legend]) => ({ expr: ofCluster(expr), legend })) };
}

export function stacked(...panel: Parameters<typeof lines>): Panel {
  return { ...lines(...panel), kind: 'stacked' };
}

export function figure(...panel: Parameters<typeof lines>): Panel {
  return { ...lines(...panel), kind: 'figure' };
}

/** Half of what was observed is below the first line, all but one in a hundred below the second. */
export function percentiles(title: string, description: string, metric: string, by: string, where = '{@}'): Panel {
  const of = (share: number): string =>
    `histogram_quantile(${share}, sum by (${by}, le) (rate(${metric}_bucket${where}[$__rate_interval])))`;
  return lines(title, 's', description, [of(0.5), `{{${by}}} p50`], [of(0.99), `{{${by}}} p99`]);
}

export function rate(metric: string, by: string, where = '{@}'): string {
  const total = `(rate(${metric}${where}[$__rate_interval]))`;
  return by === '' ? `sum ${total}` : `sum by (${by}) ${total}`;
}

/** What Grafana reads. */
export function grafanaJson({ name, title, description, panels }: Dashboard): string {
  const model = {
    uid: `chappe-${name}`,
    title: `Chappe / ${title}`,
    description,
    tags: ['chappe'],
    editable: false,
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: [dataSource, cluster] },
    links: [
      { type: 'dashboards', tags: ['chappe'], title: 'Chappe', asDropdown: true, keepTime: true, includeVars: true },
    ],
    panels: panels.map(grafanaPanel),
  };
  return `${JSON.stringify(model, undefined, 1)}\n`;
}

const source = { type: 'prometheus', uid: '${datasource}' };
const dataSource = { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' };
const cluster = {
  name: 'job',
  label: 'Cluster',
  type: 'query',
  datasource: source,
  query: { query: 'label_values(chappe_process_ready, job)', refId: 'job' },
  refresh: 2,
  includeAll: false,
};

function grafanaPanel({ title, description, unit, queries, kind = 'lines' }: Panel, index: number): unknown {
  const perRow = columns / panelWidth;
  const gridPos = {
    x: (index % perRow) * panelWidth,
    y: Math.trunc(index / perRow) * panelHeight,
    w: panelWidth,
    h: panelHeight,
  };
  const custom = {
    lineWidth: 1,
    fillOpacity: kind === 'stacked' ? 30 : 5,
    stacking: { mode: kind === 'stacked' ? 'normal' : 'none' },
  };
  return {
    id: index + 1,
    type: kind === 'figure' ? 'stat' : 'timeseries',
    title,
    description,
    gridPos,
    datasource: source,
    fieldConfig: { defaults: { unit, min: 0, ...(kind === 'figure' ? {} : { custom }) }, overrides: [] },
    options:
      kind === 'figure'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, textMode: 'value_and_name' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(({ expr, legend }, at) => ({
      refId: 'ABCDEFGH'.charAt(at),
      datasource: source,
      expr,
      legendFormat: legend,
    })),
  };
}

function ofCluster(expr: string): string {
  return expr.replaceAll('{@', '{job=~"$job"');
}
