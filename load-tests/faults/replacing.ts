/** The same object but for one member. Methods keep the object that they belong to. */
export function replacing<T extends object>(target: T, name: string, value: unknown): T {
  return new Proxy(target, {
    get: (_target, key) => {
      if (key === name) return value;
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
