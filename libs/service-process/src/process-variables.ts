/** The variables that every service's process has. */
import { z } from 'zod';

/** @param adminPort the service's own, so that one of each runs on one machine without settings */
export function processVariables(adminPort: number): typeof variables {
  return { ...variables, CHAPPE_ADMIN_PORT: port.default(adminPort) };
}

const port = z.coerce.number().int().min(0).max(65_535);

const variables = {
  /** Metrics and health (HTTP). Port 0: any free one. */
  CHAPPE_ADMIN_HOST: z.string().default('127.0.0.1'),
  CHAPPE_ADMIN_PORT: port.default(0),
  CHAPPE_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
};

const schema = z.object(variables);
export type ProcessConfig = Readonly<z.output<typeof schema>>;
