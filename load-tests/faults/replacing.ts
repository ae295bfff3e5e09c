/** The same object but for some members. Methods keep the object that they belong to. */
export function replacing<T extends object>(target: T, members: Readonly<Partial<Record<keyof T, unknown>>>): T {
  return new Proxy(target, {
    get: (_target, key) => {
      if (Object.hasOwn(members, key)) return Reflect.get(members, key);
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
