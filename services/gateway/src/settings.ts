/** A business's settings: from the public form to what commands carry, with the defaults. Pure. */
import { create } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { ChappeError } from '@chappe/errors/chappe-error';
import { PolicySchema, type Policy } from '@chappe/proto/internal/commands';
import { AfterWindow, IdentityPolicy, SettingsSchema, type Settings } from '@chappe/proto/v1/business_service';
import {
  capCountMax,
  capPeriodMaxMs,
  capPeriodMinMs,
  defaultCapCount,
  defaultCapPeriodMs,
  defaultPairIntervalMs,
  pairBurstMax,
  pairIntervalMaxMs,
  pairIntervalMinMs,
} from './limits.ts';
import { canonicalLanguage } from './template-text.ts';

export interface BusinessSettings {
  readonly defaultLanguage: string;
  readonly templateOnlyAfterWindow: boolean;
  readonly identityPolicy: 'hold' | 'resend' | 'fail';
  readonly capCount: number;
  readonly capPeriodMs: number;
  /** 0: no limit. */
  readonly pairBurst: number;
  readonly pairIntervalMs: number;
}

/** @throws ChappeError `parameterInvalid` */
export function parseSettings(settings: Settings | undefined): BusinessSettings {
  const capCount = settings?.capCount ?? 0;
  const capPeriodMs = settings?.capPeriod === undefined ? defaultCapPeriodMs : durationMs(settings.capPeriod);
  if (capCount > capCountMax) throw new ChappeError('parameterInvalid', `cap_count: at most ${capCountMax}`);
  if (!(capPeriodMs >= capPeriodMinMs && capPeriodMs <= capPeriodMaxMs)) {
    throw new ChappeError('parameterInvalid', 'cap_period: 1 minute to 30 days');
  }
  const pairBurst = settings?.pairBurst ?? 0;
  const pairIntervalMs =
    settings?.pairInterval === undefined ? defaultPairIntervalMs : durationMs(settings.pairInterval);
  if (pairBurst > pairBurstMax) throw new ChappeError('parameterInvalid', `pair_burst: at most ${pairBurstMax}`);
  if (!(pairIntervalMs >= pairIntervalMinMs && pairIntervalMs <= pairIntervalMaxMs)) {
    throw new ChappeError('parameterInvalid', 'pair_interval: 10 ms to 24 h');
  }
  return {
    defaultLanguage: canonicalLanguage(settings?.defaultLanguage || 'en'),
    templateOnlyAfterWindow: parseAfterWindow(settings?.afterWindow),
    identityPolicy: parseIdentityPolicy(settings?.identityPolicy),
    capCount: capCount === 0 ? defaultCapCount : capCount,
    capPeriodMs,
    pairBurst,
    pairIntervalMs: Math.round(pairIntervalMs),
  };
}

export function publicSettings(settings: BusinessSettings): Settings {
  const identity = { hold: IdentityPolicy.HOLD, resend: IdentityPolicy.RESEND, fail: IdentityPolicy.FAIL };
  return create(SettingsSchema, {
    defaultLanguage: settings.defaultLanguage,
    afterWindow: settings.templateOnlyAfterWindow ? AfterWindow.TEMPLATE_ONLY : AfterWindow.CHARGE,
    identityPolicy: identity[settings.identityPolicy],
    capCount: settings.capCount,
    capPeriod: durationFromMs(settings.capPeriodMs),
    pairBurst: settings.pairBurst,
    pairInterval: durationFromMs(settings.pairIntervalMs),
  });
}

/** What each send command carries, so that a replay decides the same. */
export function policyOf(settings: BusinessSettings): Policy {
  return create(PolicySchema, {
    templateOnlyAfterWindow: settings.templateOnlyAfterWindow,
    identity: settings.identityPolicy,
    capCount: settings.capCount,
    capPeriodMs: BigInt(settings.capPeriodMs),
    pairBurst: settings.pairBurst,
    pairIntervalMs: BigInt(settings.pairIntervalMs),
  });
}

function parseAfterWindow(afterWindow: AfterWindow | undefined): boolean {
  switch (afterWindow) {
    case undefined:
    case AfterWindow.UNSPECIFIED:
    case AfterWindow.CHARGE:
      return false;
    case AfterWindow.TEMPLATE_ONLY:
      return true;
    default:
      throw new ChappeError('parameterInvalid', 'after_window: charge or template_only');
  }
}

function parseIdentityPolicy(policy: IdentityPolicy | undefined): BusinessSettings['identityPolicy'] {
  switch (policy) {
    case undefined:
    case IdentityPolicy.UNSPECIFIED:
    case IdentityPolicy.HOLD:
      return 'hold';
    case IdentityPolicy.RESEND:
      return 'resend';
    case IdentityPolicy.FAIL:
      return 'fail';
    default:
      throw new ChappeError('parameterInvalid', 'identity_policy: hold, resend or fail');
  }
}
