/** Calls a function for every item, so many at a time. */
export async function inParallel<T>(width: number, items: Iterable<T>, act: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await act(next.value);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
