import { describe } from 'node:test';
import { openMysqlStore } from '@chappe/store/mysql-store';
import { ownDatabase, skipWithoutServer } from '../../../../libs/store/test/mysql/own-database.ts';
import { copyTests } from '../copy-tests.ts';
import { migrateSender } from '../one-range.ts';

describe('the copy of a range between two databases of MySQL', { skip: skipWithoutServer }, () => {
  copyTests(async () => {
    await using opened = new AsyncDisposableStack();
    const [from, to] = [opened.use(await ownDatabase()), opened.use(await ownDatabase())];
    const [source, target] = [
      opened.use(await openMysqlStore(from.options)),
      opened.use(await openMysqlStore(to.options)),
    ];
    await Promise.all([source, target].map(migrateSender));
    const owned = opened.move();
    return { source, target, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  });
});
