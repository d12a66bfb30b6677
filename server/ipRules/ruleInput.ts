import { z } from 'zod';
import { readAddress } from '../http/clientAddress';
import { instant, storableText, wholeNumber } from '../http/routeTable';
import { MOST_RULES } from './planRules';
import { readRuleRange, writeRuleRange } from './ruleRange';

/** A trial is at least ten minutes long, and at most a day. */
const TRIAL_MINUTES = { least: 10, most: 1440 } as const;

const range = storableText(64, 1, '203.0.113.0/24')
  .transform((text, { issues }) => {
    const read = readRuleRange(text.trim());
    if (typeof read !== 'string') return writeRuleRange(read);
    issues.push({ code: 'custom', input: undefined, message: read });
    return z.NEVER;
  })
  .describe('An IPv4 or IPv6 address, or a range in CIDR notation');

/** One rule in a body. */
export const ruleInput = z.strictObject({
  action: z.enum(['allow', 'deny']),
  appliesTo: z.enum(['people', 'api_keys']).default('people'),
  range,
  note: storableText(200, 0, 'The office in Lyon').default(''),
  expiresAt: instant.nullable().default(null).describe('When the rule ends; null if it has no end'),
});

const ruleList = z
  .array(ruleInput)
  .meta({ maxItems: MOST_RULES })
  .pipe(z.array(z.custom<z.output<typeof ruleInput>>()).max(MOST_RULES));

const confirmLockout = storableText(64, 1, 'acme')
  .optional()
  .describe('The slug of the tenant, to accept that the rules refuse your own address');

const trialMinutes = z
  .int()
  .min(TRIAL_MINUTES.least)
  .max(TRIAL_MINUTES.most)
  .optional()
  .describe('Tries the rules out for this time; then the rules of before are in force again');

const SEEN = 'The version that you have seen: the change is refused if it is another one now';
const version = z.int().min(0);

export const replaceBody = z.strictObject({
  version,
  rules: ruleList,
  confirmLockout,
  trialMinutes,
});

export const addBody = ruleInput.extend({ confirmLockout });
export const changeBody = ruleInput.extend({
  confirmLockout,
  version: version.optional().describe(SEEN),
});
export const confirmBody = z.strictObject({ version });
/** Strict, so that a misspelt confirmation is an error. */
export const lockoutQuery = z.strictObject({ confirmLockout });
export const deleteQuery = lockoutQuery.extend({
  version: wholeNumber(Number.MAX_SAFE_INTEGER).optional().describe(SEEN),
});
export const ruleParams = z.object({ id: z.string() });

const address = storableText(100, 1, '203.0.113.7').transform((text, { issues }) => {
  const read = readAddress(text);
  if (read !== null) return read;
  issues.push({ code: 'custom', input: undefined, message: 'must be an IP address' });
  return z.NEVER;
});

const addresses = z
  .array(address)
  .meta({ maxItems: 100 })
  .pipe(z.array(z.string()).max(100))
  .default([])
  .describe('Addresses to judge by the rules');

export const simulateBody = z.strictObject({
  rules: ruleList,
  days: z.int().min(1).max(30).default(30),
  addresses,
});
