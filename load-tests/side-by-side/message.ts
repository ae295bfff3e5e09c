/** The messages of the job, the same for every system: 105 characters, one SMS, with its index in the parcel's number. */

const firstParcel = 1_000_000;

export function textOf(index: number): string {
  return `Hello Ada, your parcel ${parcelOf(index)} comes today between 14:00 and 16:00. Not at home? Answer this message.`;
}

export function parcelOf(index: number): string {
  return `CH${firstParcel + index}`;
}

/** Undefined for a text that is not of the job. */
export function indexOfText(text: string): number | undefined {
  const found = /\bCH(\d{7})\b/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found) - firstParcel;
}
