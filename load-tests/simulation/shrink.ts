/**
 * Delta debugging: of things that together make something fail, a set from which none can be left out.
 *
 * Source: A. Zeller, R. Hildebrandt, Simplifying and isolating failure-inducing input, IEEE TSE 28(2), 2002 (`ddmin`).
 */

/**
 * @param fails whether it still fails with these alone; true for all of `things`
 * @param triesMax what is left after so many tries is the answer, whether or not more could go
 */
export async function shrink<T>(
  things: readonly T[],
  fails: (some: readonly T[]) => Promise<boolean>,
  triesMax: number,
): Promise<readonly T[]> {
  let left = things;
  let parts = 2;
  let tries = 0;
  const stillFails = async (some: readonly T[]): Promise<boolean> => {
    tries += 1;
    return fails(some);
  };
  if (await stillFails([])) return [];
  while (left.length > 1) {
    if (tries >= triesMax) return left;
    const smaller = await firstThatFails(left, parts, stillFails);
    if (smaller !== undefined) {
      left = smaller;
      parts = Math.max(2, parts - 1);
    } else if (parts < left.length) {
      parts = Math.min(left.length, parts * 2);
    } else {
      return left;
    }
  }
  return left;
}

/** Without one of the parts, each in its turn. */
async function firstThatFails<T>(
  things: readonly T[],
  parts: number,
  fails: (some: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  const size = Math.ceil(things.length / parts);
  for (let from = 0; from < things.length; from += size) {
    const others = [...things.slice(0, from), ...things.slice(from + size)];
    if (await fails(others)) return others;
  }
  return undefined;
}
