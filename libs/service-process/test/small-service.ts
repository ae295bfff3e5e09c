/** A service that cannot start as often as SMALL_FAILURES says, for the test of its process. */
import { readEnv, wholeNumber } from '@chappe/config/read-env';
import { StoreError } from '@chappe/store/store';
import { z } from 'zod';
import { processVariables } from '../src/process-variables.ts';
import { runService } from '../src/run-service.ts';

const schema = z.object({ ...processVariables(0), SMALL_FAILURES: wholeNumber(1) });
let starts = 0;

await runService({
  service: 'small',
  readConfig: (environment) => readEnv(schema, environment),
  start: async (config, { opened }) => {
    starts += 1;
    const start = starts;
    opened.defer(() => void process.stdout.write(`closed what start ${start} had opened\n`));
    if (start <= config.SMALL_FAILURES) throw new StoreError('unavailable', 'mysql://db:3306/chappe does not answer');
    return {
      address: '127.0.0.1:1',
      notReady: () => ({}),
      [Symbol.asyncDispose]: async () => void process.stdout.write('drained\n'),
    };
  },
});
