/** The rules that can be broken in a simulation, and what that means. */
export const rules = {
  fence_out: 'a shard commits whether or not it still holds the range',
} as const;

export type Rule = keyof typeof rules;

export function isRule(text: string): text is Rule {
  return Object.hasOwn(rules, text);
}
