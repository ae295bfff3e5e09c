/** What a load test is told on its command line, checked. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { RangeCount } from './contacts.ts';
import type { Mode } from './target.ts';

export const scenarioNames = [
  'steady',
  'knee',
  'new-contacts',
  'replies',
  'burst',
  'hot-contact',
  'hot-business',
  'campaign',
  'fairness',
  'soak',
  'floor',
  'scaling',
  'reshape',
  'bench',
] as const;

export type ScenarioName = (typeof scenarioNames)[number];

export interface Options {
  readonly scenario: ScenarioName;
  readonly mode: Mode;
  /** Messages a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Messages of a campaign. */
  readonly messages: number;
  readonly contacts: number;
  /** Of Zipf's law. */
  readonly exponent: number;
  readonly shape: 'small' | 'full';
  readonly ranges: RangeCount;
  /** Of the small shape. */
  readonly senders: number;
  /** Of one processor, for each shard of the scaling curve. */
  readonly share: number;
  /** Processes of handsets. */
  readonly fleets: number;
  /** Of each business. */
  readonly streams: number;
  readonly seed: number;
  /** The process that writes a CPU profile. */
  readonly profiled: string | undefined;
  readonly repeats: number;
  /** Of the bench: these parts only. Absent: all. */
  readonly parts: readonly string[] | undefined;
  /** Of the bench: everything shorter. */
  readonly isQuick: boolean;
}

/** Where the report is kept is no option of the test: it is not in the report. @throws Error with what is wrong */
export function readOptions(args: readonly string[]): { readonly options: Options; readonly reportsFolder: string } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', default: 'steady' },
      mode: { type: 'string', default: 'standalone' },
      rate: { type: 'string', default: '500' },
      seconds: { type: 'string', default: '20' },
      messages: { type: 'string', default: '1000000' },
      contacts: { type: 'string', default: '1000' },
      exponent: { type: 'string', default: '0.8' },
      shape: { type: 'string', default: 'small' },
      ranges: { type: 'string', default: '4' },
      senders: { type: 'string', default: '2' },
      share: { type: 'string', default: '0.08' },
      fleets: { type: 'string', default: '1' },
      streams: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      profile: { type: 'string' },
      repeats: { type: 'string', default: '1' },
      reports: { type: 'string', default: fileURLToPath(new URL('../reports', import.meta.url)) },
      parts: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const options: Options = {
    scenario: oneOf('scenario', values.scenario, scenarioNames),
    mode: oneOf('mode', values.mode, ['standalone', 'cluster']),
    rate: numberAbove0('rate', values.rate),
    seconds: numberAbove0('seconds', values.seconds),
    messages: Math.trunc(numberAbove0('messages', values.messages)),
    contacts: Math.trunc(numberAbove0('contacts', values.contacts)),
    exponent: numberAbove0('exponent', values.exponent),
    shape: oneOf('shape', values.shape, ['small', 'full']),
    ranges: Number(oneOf('ranges', values.ranges, ['1', '2', '4', '8', '16'])) as RangeCount,
    senders: Number(oneOf('senders', values.senders, ['1', '2', '4', '8', '16'])),
    share: numberAbove0('share', values.share),
    fleets: Math.trunc(numberAbove0('fleets', values.fleets)),
    streams: Math.trunc(numberAbove0('streams', values.streams)),
    seed: Number(values.seed),
    profiled: values.profile,
    repeats: Math.trunc(numberAbove0('repeats', values.repeats)),
    parts: values.parts?.split(','),
    isQuick: values.quick,
  };
  return { options, reportsFolder: values.reports };
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`${name} is one of ${allowed.join(', ')}`);
  return found;
}

function numberAbove0(name: string, value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw new Error(`${name} is a number above 0`);
  return number;
}
