import { authenticate, authenticateCaller } from '../http/authenticate';
import { requirePermission } from '../http/requirePermission';
import { requireStepUp } from '../http/requireStepUp';
import { del, get, named, post, put, tagged } from '../http/routeTable';
import type { Route } from '../http/routeTable';
import { impersonationRoutes, mayAskToAct } from '../impersonation';
import type { Deps } from '../deps';

const BASE = '/api/security/impersonation';
const CONSENT = '/api/auth/me/impersonation-consent';

/** The routes by which somebody acts as another member, of the tenant's rules about it, and of consents. */
export function impersonationTable(deps: Deps): Route[] {
  const acting = named(impersonationRoutes(deps));
  const may = [authenticate, requirePermission('IMPERSONATE')];
  const proven = requireStepUp('impersonation', { act: true });
  const mayView = [authenticateCaller, requirePermission('SETTINGS_SECURITY_VIEW')];
  const mayEdit = [authenticate, requirePermission('SETTINGS_SECURITY_EDIT')];
  const editProven = requireStepUp('security_settings');
  return tagged('Impersonation', [
    post(`${BASE}/start`, [...may, mayAskToAct(deps), proven], acting.startImpersonation),
    post(`${BASE}/token`, may, acting.impersonationToken),
    post(`${BASE}/stop`, [authenticate], acting.stopImpersonation, 'stop'),
    get(`${BASE}/policy`, mayView, acting.impersonationPolicy),
    put(`${BASE}/policy`, [...mayEdit, editProven], acting.changeImpersonationPolicy),
    get(CONSENT, [authenticate], acting.impersonationConsent),
    put(CONSENT, [authenticate], acting.giveImpersonationConsent),
    del(CONSENT, [authenticate], acting.withdrawImpersonationConsent),
  ]);
}
