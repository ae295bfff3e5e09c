/** Who there is in a simulation: business numbers, people and their devices, and the lanes between them. */
import { phoneNumberFromDigits, type PhoneNumber } from '@chappe/numbers/phone-number';

export interface Person {
  readonly contact: PhoneNumber;
  readonly devices: readonly Device[];
}

export interface Device {
  readonly contact: PhoneNumber;
  readonly device: number;
  /** Its place among all devices. */
  readonly place: number;
  readonly registrationId: number;
  readonly identityKey: Uint8Array;
}

/** One business has two numbers, the other one. */
const businessOfNumber: ReadonlyMap<string, string> = new Map([
  ['33123456789', 'business-a'],
  ['33187654321', 'business-a'],
  ['4930123456', 'business-b'],
]);

const numbers: readonly string[] = [...businessOfNumber.keys()];
export const businesses: readonly string[] = [...new Set(businessOfNumber.values())];

export function businessOf(number: string): string {
  return businessOfNumber.get(number) ?? '';
}

/** Some in each quarter of all numbers; every third person has two devices. */
const contacts = ['15550100001', '15550100002', '33612345678', '33698765432', '4915112345678', '79161234567'];

export const people: readonly Person[] = makePeople();
export const devices: readonly Device[] = people.flatMap((person) => person.devices);
export const contactsOfAll: ReadonlySet<string> = new Set(contacts);

/** A lane's place among all. */
export function laneOf(contact: string, number: string): number {
  return contacts.indexOf(contact) * numbers.length + numbers.indexOf(number);
}

export function laneAt(place: number): { readonly contact: PhoneNumber; readonly number: string } {
  const person = people[Math.floor(place / numbers.length)];
  const number = numbers[place % numbers.length];
  if (person === undefined || number === undefined) throw new Error(`there is no lane ${place}`);
  return { contact: person.contact, number };
}

export const laneCount = people.length * numbers.length;

function makePeople(): Person[] {
  let place = 0;
  return contacts.map((digits, index) => {
    const contact = phoneNumberFromDigits(digits);
    const count = index % 3 === 2 ? 2 : 1;
    const own = Array.from({ length: count }, (_, at): Device => {
      const device = { contact, device: at + 1, place, registrationId: place + 1 };
      place += 1;
      return { ...device, identityKey: Buffer.from(`identity of ${digits}`) };
    });
    return { contact, devices: own };
  });
}
