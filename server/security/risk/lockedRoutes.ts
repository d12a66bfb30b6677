import type { SecurityDeps } from '../deps';
import { principalOf } from '../../http/request';
import { endpoint } from '../../http/routeTable';
import { listClosedAccounts } from './listClosedAccounts';

/** Lists accounts locked by guessing, for the people who manage a tenant's security. */
export const lockedRoutes = (deps: SecurityDeps) => ({
  lockedAccounts: endpoint({
    summary:
      'Members of this tenant whose password or second factor is closed after too many wrong guesses',
    responses: { 200: '`accounts`, each with `staffId`, `email`, `what`, `since`, `until`' },
    async handle(req, res) {
      res.json({ accounts: await listClosedAccounts(deps, principalOf(req).tenantId) });
    },
  }),
});
