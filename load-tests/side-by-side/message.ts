/** The messages of the job, the same text for every system: one SMS, with the message's index at its start. */

export const template = {
  name: 'parcel',
  language: 'en',
  category: 1,
  body: '{{ref}} Hello {{name}}, your parcel comes today between {{from}} and {{to}}. Not at home? Answer this message.',
} as const;

export const parameters = { name: 'Ada', from: '14:00', to: '16:00' } as const;

/** 99 characters, from the hundredth message on. */
export function textOf(index: number): string {
  const filled = Object.entries({ ref: refOf(index), ...parameters });
  return filled.reduce<string>((text, [name, value]) => text.replace(`{{${name}}}`, value), template.body);
}

/** What `numberIn` reads. */
export function refOf(index: number): string {
  return index.toString(36);
}
