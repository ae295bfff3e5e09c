/** `node charts/dashboards/main.ts` writes the dashboards into the chart as Grafana reads them; a test says when they are not new. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { grafanaJson } from './dashboard.ts';
import { dashboards } from './dashboards.ts';

const folder = join(import.meta.dirname, '..', 'chappe', 'dashboards');

mkdirSync(folder, { recursive: true });
for (const dashboard of dashboards) writeFileSync(join(folder, `${dashboard.name}.json`), grafanaJson(dashboard));
