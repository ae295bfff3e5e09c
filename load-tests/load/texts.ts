/**
 * What is sent: four templates in the sizes that notifications have, most of them one or two sentences. Each
 * text begins with the message's own number, so that a handset can tell which message it shows whatever ids say.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SendRequestSchema } from '@chappe/proto/v1/message_service';
import type { TemplateSchema } from '@chappe/proto/v1/template_service';

interface Kind {
  readonly name: string;
  /** Of all messages. */
  readonly share: number;
  readonly body: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const itinerary =
  'check in at the desk until 40 minutes before departure, hand luggage of 10 kg and 55 x 40 x 23 cm; the gate is shown 60 minutes before';

/** About 75, 160, 330 and 900 characters when filled. */
const kinds: readonly Kind[] = [
  {
    name: 'code',
    share: 0.2,
    body: '{{ref}} Your code is {{code}}. It is good for 10 minutes; tell it to nobody.',
    parameters: { code: '482913' },
  },
  {
    name: 'parcel',
    share: 0.45,
    body: '{{ref}} Hello {{name}}, your parcel comes today between {{from}} and {{to}}. Not at home? Answer this message and we leave it with a neighbour of yours.',
    parameters: { name: 'Ada', from: '14:00', to: '16:00' },
  },
  {
    name: 'appointment',
    share: 0.25,
    body: '{{ref}} Dear {{name}}, we look forward to seeing you on {{day}} at {{time}} in {{place}}. Please bring your insurance card and a list of the medicines that you take, and come ten minutes early if it is your first visit. If you cannot come, answer NO until the day before: somebody else may have your place.',
    parameters: { name: 'Grace', day: 'Tuesday, 14 April', time: '09:30', place: '12 rue des Tuileries, second floor' },
  },
  {
    name: 'itinerary',
    share: 0.1,
    body: '{{ref}} {{name}}, your journey: {{first}}. {{second}}. {{third}}. {{notes}}. {{more}}. Have a good trip.',
    parameters: {
      name: 'Alan',
      first: 'AF 1680 from Paris CDG, terminal 2E, Monday 07:25, to London LHR, terminal 4, 07:50, seat 14C',
      second:
        'train 9114 from London St Pancras, Wednesday 16:31, to Lille Europe, 18:54, coach 12, seat 61, upper deck',
      third: 'coach 801 from Lille Europe, 19:20, bay 4, to Bruges, station square, 21:05, free seating, luggage below',
      notes: itinerary,
      more: `for the way back ${itinerary}`,
    },
  },
];

export function templates(): MessageInitShape<typeof TemplateSchema>[] {
  return kinds.map(({ name, body }) => ({ name, language: 'en', category: 1, body }));
}

/** Draws kinds by their share and fills them. @param random from 0 to 1 */
export function requestMaker(
  random: () => number,
): (no: number, to: string) => MessageInitShape<typeof SendRequestSchema> {
  return (no, to) => {
    const { name, parameters } = kindAt(random());
    const ref = refOf(no);
    return {
      to,
      echo: ref,
      content: { case: 'template', value: { name, language: 'en', parameters: { ref, ...parameters } } },
    };
  };
}

/** What a person answers. */
export function replyText(no: number): string {
  return `${refOf(no)} Thank you, that suits me. Could you leave it with the neighbour if nobody opens?`;
}

/** The message's number as it stands in its text and in its echo. */
function refOf(no: number): string {
  return no.toString(36);
}

/** @param text begins with a `refOf`; @returns NaN where it does not */
export function numberIn(text: string): number {
  const end = text.indexOf(' ');
  return parseInt(end < 0 ? text : text.slice(0, end), 36);
}

function kindAt(chance: number): Kind {
  let sum = 0;
  const found = kinds.find(({ share }) => {
    sum += share;
    return chance < sum;
  });
  if (found === undefined) throw new Error('the shares add up to 1');
  return found;
}
