/**
 * Settings that switch the rate limits off. All tests send from one address, and many send hundreds
 * of requests.
 */
export const RATE_LIMITS_OFF = {
  RATE_LIMIT_PER_ADDRESS: '0',
  RATE_LIMIT_PER_ACCOUNT: '0',
  RATE_LIMIT_PER_TENANT: '0',
  RATE_LIMIT_PER_KEY: '0',
  RATE_LIMIT_PER_REPORTING_KEY: '0',
  RATE_LIMIT_PER_INTROSPECTING_KEY: '0',
};
