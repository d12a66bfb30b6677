import { changeRoutes } from '../accessChanges';
import { appEventRoutes } from '../appEvents';
import { authRoutes } from '../auth';
import { healthRoutes } from '../health';
import { authenticateGateway, authenticateService } from '../http/authenticate';
import { get, named, post, put, tagged } from '../http/routeTable';
import { introspectionRoutes } from '../introspection';
import { serviceRoutes } from '../service';
import type { Deps } from '../deps';
import type { Route } from '../http/routeTable';

/** The routes of the team's programs, with the scope that a service key needs. */
function serviceTable(deps: Deps): Route[] {
  const service = named(serviceRoutes(deps));
  const mayManage = [authenticateService('tenants:manage')];
  return [
    get('/api/service/self', [authenticateService()], service.serviceSelf),
    get('/api/service/tenants', mayManage, service.serviceTenants),
    post('/api/service/tenants', mayManage, service.createTenant),
    post('/api/service/tenants/:id/suspend', mayManage, service.suspendTenant),
    post('/api/service/tenants/:id/resume', mayManage, service.resumeTenant),
  ];
}

/** The routes by which the team's product reports its events into the audit log. */
function appEventTable(deps: Deps): Route[] {
  const events = named(appEventRoutes(deps));
  const mayDeclare = [authenticateService('events:declare')];
  return [
    post('/api/audit/events', [authenticateService('events:write')], events.reportEvents),
    get('/api/audit/event-types', mayDeclare, events.eventTypes),
    put('/api/audit/event-types', mayDeclare, events.declareEventTypes),
  ];
}

/** The routes by which the team's own API asks about callers, and learns what has changed. */
function accessTable(deps: Deps): Route[] {
  const changes = named(changeRoutes(deps));
  const tokens = named(introspectionRoutes(deps));
  const mayAsk = [authenticateService('introspect')];
  return [
    post('/api/token/introspect', mayAsk, tokens.introspectToken),
    post('/api/token/step-up', mayAsk, tokens.proveForService),
    get('/api/forward-auth', [authenticateGateway], tokens.forwardAuth),
    get('/api/forward-auth/envoy', [authenticateGateway], tokens.forwardAuthOfEnvoy),
    get('/api/access-changes', mayAsk, changes.accessChanges),
    get('/api/access-changes/stream', mayAsk, changes.accessChangeStream),
  ];
}

/** The routes of the team's own programs. */
export const programTable = (deps: Deps): Route[] => [
  ...tagged('Services', [...serviceTable(deps), ...appEventTable(deps)]),
  ...tagged('Access', accessTable(deps)),
];

/** The routes for machines that ask often: no rate limit counts them. */
export function unlimitedTable(deps: Deps): Route[] {
  const health = named(healthRoutes(deps));
  const { jwks } = named(authRoutes(deps));
  return [
    ...tagged('Health', [
      get('/health/live', [], health.live),
      get('/health/ready', [], health.ready),
      get('/metrics', [], health.metrics),
    ]),
    ...tagged('Sign-in', [get('/.well-known/jwks.json', [], jwks)]),
  ];
}
