/** The rules that can be broken, and what that means. */
export const rules = {
  fence_out: 'a sender commits whether or not it still holds the range',
  offset_before_effects: 'the next offset is committed before the effects, and the sender dies in between',
  undone_passed: 'a sender that takes a range over goes on behind the highest record that is done',
  done_forgotten:
    'a sender that takes a range over goes on from the lowest record that is not done, and forgets which behind it are',
  repeats_let_through: 'commands come twice in the log, and the sender knows no message id from before',
  keys_forgotten: 'an idempotency key that was used gets another message id',
  answer_before_append: 'the gateway answers though some batches never reach the log',
  overtaking: 'the gateway lets later commands of a range pass a batch that is not acknowledged',
  events_lost: 'the sender saves events as published that are not',
  events_shuffled: 'the sender publishes frames of one range in another order',
  outbox_from_state: 'the sender makes events from the state as it is when they leave, not as it was committed',
  session_restored: 'sessions are saved only once: who takes a range over goes on from an older state of them',
  gap_unseen: 'the log loses records, and the reader hands out what comes after them',
  topic_recreated: 'the gateway makes a topic anew that is gone, as brokers do where they make topics by themselves',
  seal_skipped: 'the coordinator writes down where a replaced topic ends and does not seal it',
  end_unsettled: 'the coordinator takes for the end of a sealed topic what it is at once, with appends on their way',
  charge_lost: 'billing notes some deliveries as booked and writes no entry',
  reattach_skipped: 'the relay does not hear that ranges have new owners',
  frozen_inside_transaction: 'nothing: the sender freezes between fence and COMMIT once a file is there',
} as const;

export type Rule = keyof typeof rules;

export function isRule(text: string): text is Rule {
  return text in rules;
}

/** The rule that a driver of this folder was loaded for. */
export function ruleOf(url: string): Rule {
  const rule = new URL(url).searchParams.get('rule') ?? '';
  if (!isRule(rule)) throw new Error('a broken driver was loaded without a rule');
  return rule;
}
