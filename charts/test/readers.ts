/** Each service of the image, and how it reads its configuration. */
import { readConfig as billing } from '@chappe/billing/config';
import { readConfig as coordinator } from '@chappe/coordinator/config';
import { readConfig as crypto } from '@chappe/crypto/config';
import { readConfig as gateway } from '@chappe/gateway/config';
import { readConfig as relay } from '@chappe/relay/config';
import { readConfig as sender } from '@chappe/sender/config';

export const readers = { gateway, coordinator, sender, crypto, relay, billing } as const;

export const services = Object.keys(readers) as readonly (keyof typeof readers)[];
