/** Single figures of a run, each measured once or, in repeated runs, several times. */

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** What was asked for: at least or at most this, by `better`. */
  readonly limit?: number;
  /** In the order in which they were measured. */
  readonly values: readonly number[];
}

/** The figures with one more value of one of them. */
export function withValue(figures: readonly Figure[], next: Omit<Figure, 'values'>, value: number): Figure[] {
  const known = figures.find(({ name }) => name === next.name);
  if (known === undefined) return [...figures, { ...next, values: [value] }];
  return figures.map((figure) => (figure === known ? { ...figure, values: [...figure.values, value] } : figure));
}

/** Whether every value keeps to the limit. Undefined: there is none. */
export function keepsLimit({ limit, better, values }: Figure): boolean | undefined {
  if (limit === undefined) return undefined;
  return values.every((value) => (better === 'higher' ? value >= limit : value <= limit));
}
