import { MINUTE_SEC } from '../durations';
import { integer } from './settingTypes';
import type { SettingsOf } from './settingTypes';

const perMinute = (requests: number) => integer(requests, 0, 1_000_000);

/** How many requests a minute each kind of caller may send; 0 switches a limit off. */
export const rateLimitSettings = {
  RATE_LIMIT_PER_ADDRESS: perMinute(300),
  RATE_LIMIT_PER_ACCOUNT: perMinute(600),
  RATE_LIMIT_PER_TENANT: perMinute(6000),
  RATE_LIMIT_PER_KEY: perMinute(600),
  RATE_LIMIT_PER_REPORTING_KEY: perMinute(6000),
  RATE_LIMIT_PER_INTROSPECTING_KEY: perMinute(60_000),
};

/** A rate limit: at most `quota` requests in each window. */
export interface RateLimitPolicy {
  /** 0 for no limit. */
  readonly quota: number;
  readonly windowSec: number;
}

const policy = (quota: number): RateLimitPolicy => ({ quota, windowSec: MINUTE_SEC });

/** Reads the rate limits. */
export const readRateLimitSettings = (env: SettingsOf<typeof rateLimitSettings>) => ({
  rateLimits: {
    address: policy(env.RATE_LIMIT_PER_ADDRESS),
    account: policy(env.RATE_LIMIT_PER_ACCOUNT),
    tenant: policy(env.RATE_LIMIT_PER_TENANT),
    key: policy(env.RATE_LIMIT_PER_KEY),
    events: policy(env.RATE_LIMIT_PER_REPORTING_KEY),
    introspect: policy(env.RATE_LIMIT_PER_INTROSPECTING_KEY),
  },
});
