import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Tally, type State } from './tally.ts';

const number = '33123456789';

/** Two messages to one person on two devices, delivered, shown and charged. */
function goodRun(
  change: Partial<Record<'submit' | 'show' | 'tell' | 'book' | 'reply', (tally: Tally) => void>> = {},
): Tally {
  const tally = new Tally();
  for (const [key, id] of [
    ['k1', 'm1'],
    ['k2', 'm2'],
  ] as const) {
    tally.noteSubmitted({ key, contact: 'ada', number });
    tally.noteAccepted(key, id);
  }
  (change.submit ?? (() => undefined))(tally);
  const show = (): void => {
    for (const id of ['m1', 'm2']) for (const device of ['ada/1', 'ada/2']) tally.noteShown('ada', device, number, id);
  };
  (change.show ?? show)(tally);
  const tell = (): void => {
    for (const id of ['m1', 'm2']) tellStates(tally, id, 'accepted', 'sent', 'delivered');
  };
  (change.tell ?? tell)(tally);
  const book = (): void => ['m1', 'm2'].forEach((id) => tally.noteBooked(id));
  (change.book ?? book)(tally);
  const reply = (): void => {
    tally.noteReplied('merci');
    tally.noteHeard('merci-received', 'merci');
  };
  (change.reply ?? reply)(tally);
  return tally;
}

function tellStates(tally: Tally, id: string, ...states: State[]): void {
  for (const state of states) tally.noteState(`${id}-${state}`, id, state);
}

function finds(tally: Tally, pattern: RegExp): void {
  assert.ok(
    tally.problems().some((problem) => pattern.test(problem)),
    tally.problems().join('\n') || 'no problem was found',
  );
}

describe('the tally', () => {
  test('finds nothing wrong with a good run', () => {
    assert.deepEqual(goodRun().problems(), []);
    assert.ok(goodRun().isSettled());
  });

  test('finds a message that was accepted and never ended', () => {
    const tally = goodRun({
      tell: (run) => (tellStates(run, 'm1', 'accepted', 'sent', 'delivered'), tellStates(run, 'm2', 'accepted')),
    });
    finds(tally, /^NO-LOSS: m2 .* is accepted/u);
    assert.ok(!tally.isSettled());
  });

  test('finds a message of which no event tells', () => {
    finds(
      goodRun({ tell: (run) => tellStates(run, 'm1', 'accepted', 'sent', 'delivered') }),
      /^NO-LOSS: m2 .* is nowhere/u,
    );
  });

  test('finds a message that is said to be delivered and that no device showed', () => {
    finds(
      goodRun({ show: (run) => run.noteShown('ada', 'ada/1', number, 'm1') }),
      /^NO-LOSS: m2 .* nobody was shown it/u,
    );
  });

  test('finds a request that was never answered', () => {
    finds(goodRun({ submit: (run) => run.noteSubmitted({ key: 'k3', contact: 'ada', number }) }), /^NO-LOSS: k3/u);
  });

  test('finds a message shown twice on a device', () => {
    const shown = ['m1', 'm2', 'm1'];
    finds(
      goodRun({ show: (run) => shown.forEach((id) => run.noteShown('ada', 'ada/1', number, id)) }),
      /^ONCE: m1 was shown twice/u,
    );
  });

  test('finds a key that became two messages', () => {
    finds(goodRun({ submit: (run) => run.noteAccepted('k1', 'm9') }), /^ONCE: k1 was accepted as two/u);
  });

  test('finds messages shown in another order than they were accepted in', () => {
    const shown = ['m2', 'm1'];
    finds(goodRun({ show: (run) => shown.forEach((id) => run.noteShown('ada', 'ada/1', number, id)) }), /^ORDER: m1/u);
  });

  test('finds messages that a second device brings to the person in another order', () => {
    const show = (run: Tally): void => {
      run.noteShown('ada', 'ada/1', number, 'm2');
      run.noteShown('ada', 'ada/2', number, 'm1');
    };
    finds(goodRun({ show }), /^ORDER: m1 .*person/u);
  });

  test('compares messages of two streams by when they were answered and handed over', () => {
    const problemsOf = (answeredMs: number): readonly string[] => {
      const tally = new Tally();
      tally.noteSubmitted({ key: 'k1', contact: 'ada', number, stream: 'one' }, 1);
      tally.noteSubmitted({ key: 'k2', contact: 'ada', number, stream: 'two' }, 3);
      tally.noteAccepted('k1', 'm1', answeredMs);
      tally.noteAccepted('k2', 'm2', 5);
      for (const id of ['m2', 'm1']) tally.noteShown('ada', 'ada/1', number, id);
      return tally.problems().filter((problem) => problem.startsWith('ORDER'));
    };
    assert.deepEqual(problemsOf(4), []);
    assert.equal(problemsOf(2).length, 2);
  });

  test('finds one request that became two messages by what their texts say', () => {
    finds(
      goodRun({ submit: (run) => ['m1', 'm9'].forEach((id) => run.noteShown('ada', 'ada/3', number, id, 'k1')) }),
      /^ONCE: k1 was shown as two/u,
    );
  });

  test('lets a request that was given up be shown, and no request that was refused', () => {
    const run = (isFinal: boolean): readonly string[] => {
      const tally = new Tally();
      tally.noteSubmitted({ key: 'k1', contact: 'ada', number });
      tally.noteRefused('k1', isFinal);
      tally.noteShown('ada', 'ada/1', number, 'm1', 'k1');
      return tally.problems();
    };
    assert.deepEqual(run(false), []);
    assert.match(run(true).join(), /^ONCE: k1 was shown and never accepted/u);
  });

  test('finds a message shown to somebody else', () => {
    finds(goodRun({ submit: (run) => run.noteShown('bob', 'bob/1', number, 'm1') }), /^TENANT: m1/u);
  });

  test('finds a state that goes back and an event that comes twice', () => {
    finds(
      goodRun({ reply: (run) => run.noteState('late', 'm1', 'sent') }),
      /^MONOTONE: m1 went from delivered to sent/u,
    );
    finds(goodRun({ reply: (run) => run.noteState('m1-sent', 'm1', 'read') }), /^ONCE: event m1-sent/u);
  });

  test('finds charges that are missing, double or without a delivery', () => {
    finds(goodRun({ book: (run) => run.noteBooked('m1') }), /^ONCE: m2 was delivered and not charged/u);
    finds(
      goodRun({ book: (run) => ['m1', 'm2', 'm2'].forEach((id) => run.noteBooked(id)) }),
      /^ONCE: m2 was charged twice/u,
    );
    finds(
      goodRun({ book: (run) => ['m1', 'm2', 'm9'].forEach((id) => run.noteBooked(id)) }),
      /^ONCE: m9 was charged and not/u,
    );
  });

  test('finds replies that were lost or doubled', () => {
    finds(goodRun({ reply: (run) => run.noteReplied('merci') }), /^NO-LOSS: the reply merci/u);
    const twice = (first: string, second: string): Tally =>
      goodRun({ reply: (run) => (run.noteHeard(first, 'merci'), run.noteHeard(second, 'merci')) });
    finds(twice('e1', 'e2'), /^ONCE: the reply merci was received as two events/u);
    finds(twice('e1', 'e1'), /^ONCE: event e1 came twice/u);
  });
});

test('SECRET: an envelope may come again, another one under its message key may not', () => {
  const tally = new Tally();
  const [one, other] = [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 4)];
  tally.noteEnvelope('d', 'key/1', one);
  tally.noteEnvelope('d', 'key/1', one);
  tally.noteEnvelope('d', 'key/2', other);
  tally.noteEnvelope('e', 'key/1', other);
  assert.deepEqual(tally.problems(), []);
  tally.noteEnvelope('d', 'key/1', other);
  assert.deepEqual(tally.problems(), ['SECRET: a message key was used for two texts to d']);
});
