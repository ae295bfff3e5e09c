/**
 * The people of a load test, by place: valid mobile numbers of four countries, so that consecutive places lie
 * in different ranges, and the bounds that cut them into equal shares.
 */

/** Each country's mobile prefix and the digit that follows it: four shares a country, sixteen in all. */
const countries = ['336', '346', '4474', '4917'] as const;
const digits = ['2', '4', '6', '8'] as const;
const shares = countries.length * digits.length;
/** Digits after the share's: ten million people in each share. */
const restDigits = 7;
/** Low numbers are often not given out. */
const firstRest = 1_000_000;

/** Where sixteen equal ranges begin, the first excepted. */
const cuts: readonly string[] = [
  ['3364', '3366', '3368'],
  ['34', '3464', '3466', '3468'],
  ['4', '44744', '44746', '44748'],
  ['49', '49174', '49176', '49178'],
].flat();

export type RangeCount = 1 | 2 | 4 | 8 | 16;

/** @returns E.164 with `+` */
export function numberAt(place: number): string {
  const country = countries[place % countries.length] ?? '';
  const digit = digits[Math.trunc(place / countries.length) % digits.length] ?? '';
  const rest = firstRest + Math.trunc(place / shares);
  return `+${country}${digit}${String(rest).padStart(restDigits, '0')}`;
}

/** The place of a number that `numberAt` made. NaN: of another one. */
export function placeOf(number: string): number {
  const country = countries.findIndex((prefix) => number.startsWith(`+${prefix}`));
  const rest = number.slice(1 + (countries[country]?.length ?? 0));
  const digit = digits.findIndex((candidate) => rest.startsWith(candidate));
  if (country < 0 || digit < 0) return NaN;
  return (Number(rest.slice(1)) - firstRest) * shares + digit * countries.length + country;
}

/** Bounds, with commas between, that give each range the same number of people. */
export function boundsFor(rangeCount: RangeCount): string {
  const step = shares / rangeCount;
  return cuts.filter((_cut, index) => (index + 1) % step === 0).join(',');
}
