/**
 * Renews the sizes in docs/eks.md. `node load-tests/sizing/main.ts --rates 250,2000 --prices own.json` prints the tables
 * instead, for other rates or with the prices of another region: JSON with any of the fields of prices.ts.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readMeasured } from './measured.ts';
import { pagePath, pageWithTables, tablesOf } from './page.ts';
import { prices, type Prices } from './prices.ts';

const { values } = parseArgs({ options: { rates: { type: 'string' }, prices: { type: 'string' } } });
const own = values.prices === undefined ? {} : (JSON.parse(readFileSync(values.prices, 'utf8')) as Partial<Prices>);
const rates = values.rates?.split(',').map(Number);
if (values.rates === undefined && values.prices === undefined)
  writeFileSync(pagePath, pageWithTables(readMeasured(), prices).wanted);
else process.stdout.write(`${tablesOf(readMeasured(), { ...prices, ...own }, rates)}\n`);
