import { clientIp } from '../context';
import type { RequestContext } from '../context';
import { AppError } from '../errors';
import type { IpRuleParts } from './deps';
import { targetOf } from './recordRefusals';
import type { AddressHolder } from './recordRefusals';
import type { AddressVerdict } from './ruleMemory';

type AssertAddressDeps = Pick<IpRuleParts, 'ipRules' | 'ipRefusals'>;

/** When a client may ask again if the rules cannot be read, in seconds. */
const RETRY_AFTER_SEC = 5;

/** The advice of IP_BLOCKED would send the caller to another network, where the same happens. */
const UNKNOWN_ADDRESS =
  'Gatehouse was not told your address. Ask its operator to have the proxy or the API in front report it.';

/**
 * Judges the address of a request by the rules in memory. It asks nothing, so it can run inside a
 * transaction; call `ipRules.refresh()` before.
 */
export const judgeAddressOf = (
  { ipRules }: Pick<IpRuleParts, 'ipRules'>,
  ctx: RequestContext,
  who: AddressHolder,
): AddressVerdict => ipRules.judge(who.tenantId, targetOf(who), clientIp(ctx));

/**
 * Records and throws what a verdict asks for.
 * @throws AppError IP_BLOCKED, IP_RULES_UNAVAILABLE; the driver's error if the refusal could not be
 * recorded
 */
export async function enforceVerdict(
  { ipRefusals }: Pick<IpRuleParts, 'ipRefusals'>,
  ctx: RequestContext,
  who: AddressHolder,
  verdict: AddressVerdict,
): Promise<void> {
  if (verdict.kind === 'passes') return;
  if (verdict.kind === 'unavailable') {
    const headers = { 'retry-after': String(RETRY_AFTER_SEC) };
    throw new AppError('IP_RULES_UNAVAILABLE', { headers });
  }
  await ipRefusals.record(ctx, who, verdict.refusal);
  throw new AppError('IP_BLOCKED', clientIp(ctx) === null ? { detail: UNKNOWN_ADDRESS } : {});
}

/**
 * Asserts that the IP rules of a tenant let a member, or the member's key, act from the address of
 * the request. Every function that turns a credential into a caller calls it.
 * @param ctx a function if the context is not known yet: most tenants have no rules
 * @throws AppError IP_BLOCKED; IP_RULES_UNAVAILABLE if the rules cannot be read
 */
export async function assertAddress(
  deps: AssertAddressDeps,
  ctx: RequestContext | (() => RequestContext),
  who: AddressHolder,
): Promise<void> {
  await deps.ipRules.refresh();
  if (!deps.ipRules.concerns(who.tenantId, targetOf(who))) return;
  const known = typeof ctx === 'function' ? ctx() : ctx;
  await enforceVerdict(deps, known, who, judgeAddressOf(deps, known, who));
}
