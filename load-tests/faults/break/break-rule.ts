/**
 * For positive controls only: breaks one rule of the product in a process, at the seam where it gets its
 * log, store and coordination. Preloaded (`--import`), it puts the drivers of this folder in the place of
 * the real ones, which they wrap. The services themselves know nothing of it.
 *
 * Refused unless CHAPPE_TEST_FAULTS=1; CHAPPE_TEST_BREAK names the rule. Read here and nowhere else.
 */
import { registerHooks } from 'node:module';
import { isRule } from './rules.ts';

const rule = process.env['CHAPPE_TEST_BREAK'] ?? '';
if (process.env['CHAPPE_TEST_FAULTS'] !== '1') throw new Error('rules are broken in tests only: CHAPPE_TEST_FAULTS=1');
if (!isRule(rule)) throw new Error(`CHAPPE_TEST_BREAK: there is no rule ${rule}`);

const folder = new URL('.', import.meta.url).href;
const replaced: ReadonlyMap<string, string> = new Map(
  ['log-driver', 'store-driver', 'coordination-driver'].map((name) => [
    `@chappe/drivers/${name}`,
    new URL(`${name}.ts?rule=${rule}`, folder).href,
  ]),
);

registerHooks({
  resolve: (specifier, context, next) => {
    const other = replaced.get(specifier);
    const isOurs = context.parentURL?.startsWith(folder) === true;
    return other === undefined || isOurs ? next(specifier, context) : next(other, context);
  },
});
