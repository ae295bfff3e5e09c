/** A variable that names a driver: read into what it says when the configuration is checked. */
import { z } from 'zod';

/** @param read throws an Error that says what is wrong, without quoting what may hold a password */
export function driverVariable<T>(fallback: string, read: (text: string) => T): z.ZodType<T> {
  return z
    .string()
    .default(fallback)
    .transform((text, context): T => {
      try {
        return read(text);
      } catch (error) {
        context.addIssue(error instanceof Error ? error.message : 'unknown');
        return z.NEVER;
      }
    });
}

/** The path in `sqlite:<path>`; undefined if it is no such text. */
export function pathAfter(scheme: string, text: string): string | undefined {
  return text.startsWith(scheme) && text.length > scheme.length ? text.slice(scheme.length) : undefined;
}
