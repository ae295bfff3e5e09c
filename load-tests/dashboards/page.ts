/** A dashboard drawn from what Prometheus answered, as Grafana would lay it out: three panels in a row. */
import type { Dashboard, Panel, Unit } from '../../charts/dashboards/dashboard.ts';
import { colourOf, escapeText, shortNumber } from '../load/charts.ts';
import type { Line } from './prometheus.ts';

export interface Drawn {
  readonly panel: Panel;
  readonly found: readonly { readonly legend: string; readonly lines: readonly Line[] }[];
}

interface Named {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const [width, height] = [390, 158];
const margin = { left: 48, right: 6, top: 8, bottom: 18 };
const legendMax = 8;

export function pageOf({ title, description }: Dashboard, drawn: readonly Drawn[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Chappe / ${escapeText(title)}</title>
<style>${style}</style>
<h1>Chappe / ${escapeText(title)} <small>${escapeText(description)}</small></h1>
<main>${drawn.map(panelOf).join('')}</main>
</html>
`;
}

function panelOf({ panel, found }: Drawn): string {
  const lines = found.flatMap(({ legend, lines: own }) =>
    own.map(({ metric, values }): Named => {
      const points = values.map(([x, y]) => [x, Number(y)] as const).filter(([, y]) => Number.isFinite(y));
      return { name: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''), points };
    }),
  );
  const shown = lines.filter(({ points }) => points.length > 0);
  const body = shown.length === 0 ? '<p class="none">No data</p>' : chartOf(panel, shown);
  return `<section><h2>${escapeText(panel.title)}</h2>${body}</section>`;
}

function chartOf({ kind, unit }: Panel, lines: readonly Named[]): string {
  if (kind === 'figure') {
    const last = lines[0]?.points.at(-1)?.[1] ?? 0;
    return `<p class="figure">${valueOf(last, unit)}</p>`;
  }
  const drawn = kind === 'stacked' ? stackedOn(lines) : lines.map((line) => ({ ...line, below: undefined }));
  const all = drawn.flatMap(({ points }) => points);
  const [from, to] = [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))];
  const top = Math.max(...all.map(([, y]) => y)) || 1;
  const x = (time: number): number =>
    margin.left + ((time - from) / Math.max(1, to - from)) * (width - margin.left - margin.right);
  const y = (value: number): number => height - margin.bottom - (value / top) * (height - margin.top - margin.bottom);
  const place = ([time, value]: readonly [number, number]): string => `${x(time).toFixed(1)},${y(value).toFixed(1)}`;
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(top * share).toFixed(1);
    const text = `<text x="${margin.left - 5}" y="${Number(at) + 3}" text-anchor="end">${valueOf(top * share, unit)}</text>`;
    return `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}"/>${text}`;
  });
  const times = [from, to].map((time, end) => {
    const text = new Date(time * 1_000).toISOString().slice(11, 19);
    return `<text x="${x(time).toFixed(1)}" y="${height - 4}" text-anchor="${end === 0 ? 'start' : 'end'}">${text}</text>`;
  });
  const shapes = drawn.map(({ points, below }, index) => {
    const colour = colourOf(index);
    const area =
      below === undefined
        ? ''
        : `<polygon fill="${colour}" fill-opacity="0.3" points="${[...points, ...below.toReversed()].map(place).join(' ')}"/>`;
    return `${area}<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${points.map(place).join(' ')}"/>`;
  });
  const names = lines.slice(0, legendMax).map(({ name }, index) => {
    return `<span><i style="background:${colourOf(index)}"></i>${escapeText(name)}</span>`;
  });
  const more = lines.length > legendMax ? `<span>and ${lines.length - legendMax} more</span>` : '';
  return `<svg viewBox="0 0 ${width} ${height}">${grid.join('')}${times.join('')}${shapes.join('')}</svg><p class="legend">${names.join('')}${more}</p>`;
}

/** Each on top of those before it; where one has no value it counts as 0. */
function stackedOn(lines: readonly Named[]): (Named & { readonly below: Named['points'] | undefined })[] {
  const times = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].toSorted((a, b) => a - b);
  let below: Named['points'] = times.map((time) => [time, 0] as const);
  return lines.map(({ name, points }) => {
    const values = new Map(points);
    const under = below;
    below = under.map(([time, value]) => [time, value + (values.get(time) ?? 0)] as const);
    return { name, points: below, below: under };
  });
}

function valueOf(value: number, unit: Unit): string {
  switch (unit) {
    case 'percentunit':
      return `${shortNumber(value * 100)} %`;
    case 'bytes':
      return `${shortNumber(value / 2 ** 20)} MiB`;
    case 's':
      return value > 0 && value < 1 ? `${shortNumber(value * 1_000)} ms` : `${shortNumber(value)} s`;
    case 'cps':
    case 'mps':
      return `${shortNumber(value)}/s`;
    case 'd':
      return `${shortNumber(value)} d`;
    case 'short':
    case 'none':
      return shortNumber(value);
  }
}

const style = `
body { margin: 12px; font: 12px system-ui, sans-serif; color: #222; background: #f4f5f5; }
h1 { font-size: 18px; margin: 4px 4px 10px; } small { font-weight: normal; font-size: 12px; color: #666; }
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; }
section { background: white; border: 1px solid #ddd; padding: 6px 8px; height: 222px; overflow: hidden; }
h2 { font-size: 12px; margin: 0 0 4px; } svg { width: 100%; } svg text { font-size: 9px; fill: #666; } svg line { stroke: #e5e5e5; }
.legend { margin: 2px 0; font-size: 10px; line-height: 1.35; } .legend span { margin-right: 8px; white-space: nowrap; } .legend i { display: inline-block; width: 8px; height: 8px; margin-right: 3px; }
.none { color: #999; text-align: center; margin-top: 70px; } .figure { font-size: 44px; text-align: center; margin-top: 55px; color: #0072b2; }
`;
