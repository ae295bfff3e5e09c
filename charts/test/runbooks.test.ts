/** docs/runbooks.md against the alerts, and its commands against those that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildProgram } from '@chappe/cli/program';
import { alerts } from './rules.ts';

const text = readFileSync(join(import.meta.dirname, '../../docs/runbooks.md'), 'utf8');
const commands = [...text.matchAll(/^(?:chappe|kubectl|helm) .*$/gmu)].map(([line]) => line.split(/\s+/u));

/** Of kubectl and helm: the verbs that pages may use, and their options. */
const verbs: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  kubectl: {
    'port-forward': [],
    'rollout restart': [],
    describe: ['-l'],
    delete: [],
    edit: [],
    get: ['-l', '-L', '-o', '--sort-by'],
    logs: ['-l', '--since'],
  },
  helm: { upgrade: ['--reuse-values', '--set'], history: [], rollback: [] },
};

test('each alert has a section with commands, and each section is of an alert', () => {
  const sections = text.split(/^## /mu).slice(1);
  assert.deepEqual(
    sections.map((section) => section.split('\n')[0]).toSorted(),
    alerts.map(({ alert }) => alert).toSorted(),
  );
  for (const section of sections) assert.match(section, /```\n(chappe|kubectl|helm) /u);
});

test('commands of the pages are commands, and their options are options of those', () => {
  for (const [program = '', ...words] of commands) {
    const line = [program, ...words].join(' ');
    const options = words.filter((word) => word.startsWith('-')).map((word) => word.replace(/=.*/u, ''));
    if (program === 'chappe') {
      const known = buildProgram().commands.find((command) => command.name() === words[0]);
      assert.ok(known !== undefined, line);
      for (const option of options)
        assert.ok(
          known.options.some(({ long, short }) => [long, short].includes(option)),
          line,
        );
      continue;
    }
    const plain = words.join(' ').replace(/^-n \S+ /u, '');
    const [verb, allowed] = Object.entries(verbs[program] ?? {}).find(([each]) => plain.startsWith(each)) ?? [];
    assert.ok(verb !== undefined, line);
    for (const option of options) assert.ok(option === '-n' || allowed?.includes(option), line);
  }
});
