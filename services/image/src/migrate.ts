/**
 * Brings the tables of every service up to date and ends: what each of them would do at its own start, done
 * before the first of a new version starts, so that a migration that fails stops the upgrade and not a service.
 * `--check-config` reads the configuration and ends.
 */
import { ConfigError, readEnv } from '@chappe/config/read-env';
import { coordinationVariables } from '@chappe/drivers/coordination-driver';
import { openStore, storeVariables } from '@chappe/drivers/store-driver';
import { eventConsumerMigrations } from '@chappe/event-consumer/event-progress';
import { migrate } from '@chappe/store/migrate';
import { StoreError } from '@chappe/store/store';
import { z } from 'zod';

const schema = z.object({ ...storeVariables('data/store.sqlite'), ...coordinationVariables });

const directories: Readonly<Record<string, URL | string>> = {
  crypto: new URL('../../crypto/migrations', import.meta.url),
  gateway: new URL('../../gateway/migrations', import.meta.url),
  relay: new URL('../../relay/migrations', import.meta.url),
  sender: new URL('../../sender/migrations', import.meta.url),
  billing: new URL('../../billing/migrations', import.meta.url),
  'event-consumer': eventConsumerMigrations,
};

try {
  const config = readEnv(schema, process.env);
  if (process.argv.includes('--check-config')) process.stdout.write('the configuration can be used\n');
  else await migrateAll(config);
} catch (error) {
  const isKnown = error instanceof StoreError || error instanceof ConfigError;
  process.stderr.write(`chappe migrate: ${isKnown ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = 1;
}

async function migrateAll(config: Readonly<z.output<typeof schema>>): Promise<void> {
  await using store = await openStore(config);
  for (const [service, directory] of Object.entries(directories)) {
    const applied = await migrate(store, { service, directory });
    const what = applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`;
    process.stdout.write(`${service}: ${what}\n`);
  }
}
