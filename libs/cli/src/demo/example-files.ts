/** The files of `examples/`, and which business sends which template with them. */
import { join, resolve } from 'node:path';
import type { DemoFile } from './people.ts';

export const examplesFolder = resolve(import.meta.dirname, '../../../../examples');

export const exampleFiles: readonly DemoFile[] = (
  [
    ['boarding-passes.csv', 'boarding_pass', 0],
    ['parcel-tracking.csv', 'parcel_tracking', 0],
    ['event-tickets.csv', 'event_ticket', 0],
    ['appointment-reminders.csv', 'appointment_reminder', 1],
    ['payment-reminders.csv', 'payment_reminder', 1],
    ['machine-alerts.csv', 'machine_alert', 1],
  ] as const
).map(([name, template, business]) => ({ path: join(examplesFolder, name), template, business }));
