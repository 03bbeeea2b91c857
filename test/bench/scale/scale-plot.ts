import { inBytes } from './bytes.ts';
import type { Dimension } from './dimension.ts';
import { costSeries, type Point, type Series } from './point.ts';

/** A panel for each series. Pixels. */
const panel = { width: 300, height: 190 };
const inner = { left: 56, right: 14, top: 34, bottom: 34 };
const inRow = 3;
/** What grows by more than so many times is drawn on a logarithmic axis. */
const mostLinear = 30;

/** From a value to a place on the panel, and what stands beside the axis. */
interface Scale {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

/** An SVG of all that was measured of a dimension. Its horizontal axis is logarithmic. */
export function plotOf(dimension: Dimension, points: readonly Point[]): string {
  const panels = [...dimension.series, ...costSeries];
  const rows = Math.ceil(panels.length / inRow);
  const [width, height] = [inRow * panel.width, rows * panel.height];
  const drawn = panels.map((series, at) => {
    const [x, y] = [(at % inRow) * panel.width, Math.floor(at / inRow) * panel.height];
    return `<g transform="translate(${x} ${y})">${panelOf(dimension, series, points)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function panelOf(dimension: Dimension, { key, name, unit }: Series, points: readonly Point[]): string {
  const seen = points.flatMap(({ at, values }) => {
    const value = values[key];
    return value === undefined || Number.isNaN(value) ? [] : [{ at, value }];
  });
  const across = exactly(
    points.map(({ at }) => at),
    [inner.left, panel.width - inner.right],
    dimension.isBytes ? 1024 : 10,
  );
  const up = scaleFor(
    seen.map(({ value }) => value),
    [panel.height - inner.bottom, inner.top],
  );
  const places = seen.map(({ at, value }) => [across.place(at), up.place(value)].map(exact));
  return [
    text(inner.left, 18, `${name}${unit === '' ? '' : ` (${unit})`}`, 'font-weight="bold"'),
    ...up.ticks.map((tick) => row(up.place(tick), short(tick))),
    ...across.ticks.map((tick) => column(across.place(tick), label(tick, dimension.isBytes === true))),
    `<polyline fill="none" stroke="#1f6feb" stroke-width="2" points="${places.map((place) => place.join(',')).join(' ')}"/>`,
    ...places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="#1f6feb"/>`),
  ].join('\n');
}

function row(y: number, name: string): string {
  const line = `<line x1="${inner.left}" x2="${panel.width - inner.right}" y1="${exact(y)}" y2="${exact(y)}" stroke="#ddd"/>`;
  return `${line}${text(inner.left - 5, y + 4, name, 'text-anchor="end"')}`;
}

function column(x: number, name: string): string {
  return text(x, panel.height - inner.bottom + 16, name, 'text-anchor="middle"');
}

function text(x: number, y: number, what: string, how: string): string {
  return `<text x="${exact(x)}" y="${exact(y)}" ${how}>${what}</text>`;
}

/** From nothing on, unless that would press most of it together. */
function scaleFor(values: readonly number[], range: readonly [number, number]): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return least > 0 && most / least > mostLinear ? logarithmic(values, range) : linear(most, range);
}

function linear(most: number, [from, to]: readonly [number, number]): Scale {
  const step = niceStep(most / 4);
  const top = Math.max(step, Math.ceil(most / step) * step);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step);
  return { place: (value) => from + ((to - from) * value) / top, ticks };
}

/** 1, 2 or 5 times a power of ten, and not less than this. */
function niceStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((times) => times * power >= least) ?? 10);
}

/** From the least to the most, logarithmic, with a mark at each power of the base. */
function exactly(values: readonly number[], [from, to]: readonly [number, number], base: number): Scale {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const power = (value: number) => Math.log(value) / Math.log(base);
  const first = Math.ceil(power(least) - 1e-9);
  const count = Math.floor(power(most) + 1e-9) - first + 1;
  const ticks = Array.from({ length: count }, (_, at) => base ** (first + at));
  const width = Math.max(power(most) - power(least), 1e-9);
  return { place: (value) => from + ((to - from) * (power(value) - power(least))) / width, ticks };
}

/** By whole decades, with a mark at each; at each second one where there are many. */
function logarithmic(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const least = Math.floor(Math.log10(Math.min(...values)));
  const most = Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))));
  const step = Math.ceil((most - least) / 5);
  const ticks = Array.from(
    { length: Math.floor((most - least) / step) + 1 },
    (_, at) => 10 ** (least + at * step),
  );
  return { place: (value) => from + ((to - from) * (Math.log10(value) - least)) / (most - least), ticks };
}

function exact(value: number): number {
  return Math.round(value * 10) / 10;
}

const thousands = ['', 'k', 'M', 'G'];

function short(value: number): string {
  const power = value < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** power).toPrecision(3))}${thousands[power]}`;
}

function label(value: number, isBytes: boolean): string {
  return isBytes ? inBytes(value) : short(value);
}
