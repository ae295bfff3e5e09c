/** Small charts as SVG texts: lines over a linear or logarithmic scale, and stacked bars. */

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
  /** Absent: dots and a line between them. */
  readonly isDotted?: boolean;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Shown hollow: it does not count. */
  readonly isVoid?: boolean;
  /** Shown while the pointer rests on it. */
  readonly title?: string;
}

export interface LineChart {
  readonly xName: string;
  readonly yName: string;
  readonly lines: readonly Line[];
  /** Values a decade apart are equally far apart; there must be none below 0. */
  readonly isLogarithmic?: boolean;
  readonly hasDots?: boolean;
}

export interface StackedBar {
  readonly name: string;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
}

const width = 720;
const height = 300;
const margin = { left: 78, right: 16, top: 14, bottom: 52 };
const barHeight = 26;
const barGap = 12;
const barNameWidth = 170;
const barTotalWidth = 100;
const dotRadius = 3.5;

/** Told apart by people who see few colours as well (Okabe and Ito), and two more. */
const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#7a5195',
  '#8c8c8c',
  '#b3a125',
  '#5c4033',
];

export function colourOf(place: number): string {
  return colours[place % colours.length] ?? '';
}

/** Empty if there is nothing to show. */
export function lineChart({ xName, yName, lines, isLogarithmic = false, hasDots = false }: LineChart): string {
  const points = lines.flatMap((line) => line.points).filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  if (points.length === 0) return '';
  const ys = points.map(({ y }) => y).filter((y) => !isLogarithmic || y > 0);
  const xScale = linearScale(0, Math.max(...points.map(({ x }) => x)), margin.left, width - margin.right);
  const bottom = height - margin.bottom;
  const yScale = isLogarithmic
    ? logarithmicScale(Math.min(...ys), Math.max(...ys), bottom, margin.top)
    : linearScale(0, Math.max(...ys), bottom, margin.top);
  const grid = [
    ...yScale.ticks.map(
      (tick) =>
        `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${f(yScale.at(tick))}" y2="${f(yScale.at(tick))}"/>` +
        `<text x="${margin.left - 8}" y="${f(yScale.at(tick) + 4)}" text-anchor="end">${shortNumber(tick)}</text>`,
    ),
    ...xScale.ticks.map(
      (tick) => `<text x="${f(xScale.at(tick))}" y="${bottom + 20}" text-anchor="middle">${shortNumber(tick)}</text>`,
    ),
    `<line class="axis" x1="${margin.left}" x2="${width - margin.right}" y1="${bottom}" y2="${bottom}"/>`,
    `<text class="name" x="${(margin.left + width - margin.right) / 2}" y="${height - 6}" text-anchor="middle">${escapeText(xName)}</text>`,
    `<text class="name" transform="translate(14 ${(margin.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeText(yName)}</text>`,
  ];
  const drawn = lines.map(({ points: own, isDotted = false }, place) => {
    const colour = colourOf(place);
    const placed = own
      .filter(({ y }) => Number.isFinite(y) && (!isLogarithmic || y > 0))
      .map((point) => ({ ...point, px: f(xScale.at(point.x)), py: f(yScale.at(point.y)) }));
    const path = `<polyline fill="none" stroke="${colour}" stroke-width="2" ${isDotted ? 'stroke-dasharray="4 4"' : ''} points="${placed.map(({ px, py }) => `${px},${py}`).join(' ')}"/>`;
    const dots = placed.map(
      ({ px, py, isVoid = false, title = '' }) =>
        `<circle cx="${px}" cy="${py}" r="${dotRadius}" stroke="${colour}" stroke-width="2" class="${isVoid ? 'void' : ''}" fill="${isVoid ? 'none' : colour}"><title>${escapeText(title)}</title></circle>`,
    );
    return [path, ...(hasDots ? dots : [])].join('');
  });
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(`${yName} over ${xName}`)}">` +
    `${grid.join('')}${drawn.join('')}</svg>${legend(lines.map(({ name }) => name))}`
  );
}

/** One bar below the other, all on one scale; the same part has the same colour in all of them. */
export function stackedBars(bars: readonly StackedBar[], unit: string): string {
  if (bars.length === 0) return '';
  const names = [...new Set(bars.flatMap(({ parts }) => parts.map(({ name }) => name)))];
  const totals = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const scale = (width - barNameWidth - barTotalWidth) / Math.max(...totals, Number.MIN_VALUE);
  const drawn = bars.map(({ name, parts }, row) => {
    const y = row * (barHeight + barGap);
    let x = barNameWidth;
    const pieces = parts.map((part) => {
      const length = part.value * scale;
      const piece =
        `<rect x="${f(x)}" y="${y}" width="${f(length)}" height="${barHeight}" fill="${colourOf(names.indexOf(part.name))}">` +
        `<title>${escapeText(`${part.name}: ${shortNumber(part.value)} ${unit}`)}</title></rect>`;
      x += length;
      return piece;
    });
    const text =
      `<text x="${barNameWidth - 10}" y="${y + 18}" text-anchor="end">${escapeText(name)}</text>` +
      `<text class="total" x="${f(x + 8)}" y="${y + 18}">${shortNumber(totals[row] ?? 0)} ${escapeText(unit)}</text>`;
    return pieces.join('') + text;
  });
  const tall = bars.length * (barHeight + barGap);
  return `<svg viewBox="0 0 ${width} ${tall}" role="img">${drawn.join('')}</svg>${legend(names)}`;
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Three figures, thousands set apart. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(Math.abs(value) < 1 ? 2 : 3)));
}

interface Scale {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

function linearScale(from: number, to: number, start: number, end: number): Scale {
  const span = to > from ? to - from : 1;
  const step = niceStep(span / 5);
  const top = from + Math.ceil(span / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round((top - from) / step) + 1 }, (_, no) => from + no * step);
  return { ticks, at: (value) => start + ((value - from) / (top - from)) * (end - start) };
}

function logarithmicScale(least: number, most: number, start: number, end: number): Scale {
  const from = Math.floor(Math.log10(least));
  const to = Math.max(from + 1, Math.ceil(Math.log10(most)));
  const ticks = Array.from({ length: to - from + 1 }, (_, no) => 10 ** (from + no));
  return { ticks, at: (value) => start + ((Math.log10(value) - from) / (to - from)) * (end - start) };
}

/** 1, 2 or 5 times a power of ten, at least this much. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((factor) => factor * power >= least) ?? 10) * power;
}

function legend(names: readonly string[]): string {
  const entries = names.map(
    (name, place) => `<span><i style="background:${colourOf(place)}"></i>${escapeText(name)}</span>`,
  );
  return `<p class="legend">${entries.join('')}</p>`;
}

function f(value: number): string {
  return value.toFixed(1);
}
