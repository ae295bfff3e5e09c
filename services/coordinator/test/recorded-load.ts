/**
 * A day of load, by country, as it is kept in `recorded-load.csv`: made, not measured, as nobody's traffic is public at this
 * grain. `node services/coordinator/test/recorded-load.ts --write` makes it anew.
 *
 * Each country has a curve of two cosines over its own local time, low at night and highest at noon and in the early
 * evening; on it campaigns of ten to twenty minutes to one country at hours that
 * shops choose, and one country that begins to be served on that day (`81`, from 06:00 UTC on). A line is five minutes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const path = join(import.meta.dirname, 'recorded-load.csv');
const stepMinutes = 5;
export const stepMs = stepMinutes * 60_000;

/** What its numbers begin with, its offset from UTC, commands a second at its highest, and since when. */
const countries = [
  { prefix: '1', hours: -6, peak: 700, fromHour: 0 },
  { prefix: '336', hours: 1, peak: 900, fromHour: 0 },
  { prefix: '337', hours: 1, peak: 450, fromHour: 0 },
  { prefix: '34', hours: 1, peak: 300, fromHour: 0 },
  { prefix: '44', hours: 0, peak: 600, fromHour: 0 },
  { prefix: '49', hours: 1, peak: 650, fromHour: 0 },
  { prefix: '55', hours: -3, peak: 350, fromHour: 0 },
  { prefix: '81', hours: 9, peak: 800, fromHour: 6 },
] as const;

/** To which country, at which minute of the day, for how long, and how many commands a second on top. */
const campaigns = [
  { prefix: '336', minute: 8 * 60, minutes: 10, rate: 900 },
  { prefix: '44', minute: 9 * 60 + 30, minutes: 10, rate: 700 },
  { prefix: '49', minute: 11 * 60, minutes: 15, rate: 800 },
  { prefix: '336', minute: 16 * 60, minutes: 10, rate: 1_000 },
  { prefix: '1', minute: 17 * 60, minutes: 20, rate: 1_200 },
  { prefix: '1', minute: 21 * 60, minutes: 10, rate: 900 },
] as const;

export const prefixes: readonly string[] = countries.map(({ prefix }) => prefix);

/** Commands a second by step of five minutes and, in the order of `prefixes`, by country. */
export function readRecordedLoad(): number[][] {
  const [, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  return lines.map((line) => line.split(',').slice(1).map(Number));
}

function makeLoad(): string {
  const lines = Array.from({ length: (24 * 60) / stepMinutes }, (_, step) => {
    const minute = step * stepMinutes;
    const rates = countries.map(({ prefix, hours, peak, fromHour }) => {
      const local = ((minute / 60 + hours + 24) % 24) / 24;
      const course = 0.5 - 0.42 * Math.cos(2 * Math.PI * (local - 0.12)) + 0.08 * Math.cos(4 * Math.PI * (local - 0.5));
      // A country that is new grows to its own within two hours.
      const share = Math.min(1, Math.max(0, (minute / 60 - fromHour) / 2 + (fromHour === 0 ? 1 : 0)));
      const bursts = campaigns.filter(
        (one) => one.prefix === prefix && minute >= one.minute && minute < one.minute + one.minutes,
      );
      return Math.round(Math.max(0.02, course) * peak * share) + bursts.reduce((sum, { rate }) => sum + rate, 0);
    });
    return [
      `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`,
      ...rates,
    ].join();
  });
  return `${['utc', ...prefixes].join()}\n${lines.join('\n')}\n`;
}

if (process.argv.includes('--write')) writeFileSync(path, makeLoad());
