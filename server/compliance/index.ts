import type { Deps } from '../deps';
import { endpoint } from '../routeTable';

export const complianceRoutes = (_deps: Deps) => ({
  exportBundle: endpoint({ summary: 'x', responses: {}, handle: () => undefined }),
  exportSecurityEvents: endpoint({ summary: 'x', responses: {}, handle: () => undefined }),
});
