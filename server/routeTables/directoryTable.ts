import { authenticateDirectory } from '../http/authenticate';
import { requirePermission } from '../http/requirePermission';
import { del, get, named, patch, post, put, tagged } from '../http/routeTable';
import { scimRoutes } from '../scim';
import type { Deps } from '../deps';
import type { Route } from '../http/routeTable';

const BASE = '/scim/v2';

/** The routes by which a tenant's directory manages its members. Only a key for SCIM opens them. */
export function directoryTable(deps: Deps): Route[] {
  const scim = named(scimRoutes(deps));
  const may = [authenticateDirectory, requirePermission('SCIM_PROVISION')];
  return tagged('SCIM', [
    get(`${BASE}/ServiceProviderConfig`, may, scim.scimService),
    get(`${BASE}/ResourceTypes`, may, scim.scimTypes),
    get(`${BASE}/Schemas`, may, scim.scimSchemas),
    get(`${BASE}/Schemas/:id`, may, scim.scimSchema),
    get(`${BASE}/Groups`, may, scim.scimGroups),
    get(`${BASE}/Users`, may, scim.scimUsers),
    post(`${BASE}/Users`, may, scim.createScimUser),
    get(`${BASE}/Users/:id`, may, scim.scimUser),
    put(`${BASE}/Users/:id`, may, scim.replaceScimUser),
    patch(`${BASE}/Users/:id`, may, scim.patchScimUser),
    del(`${BASE}/Users/:id`, may, scim.deleteScimUser),
  ]);
}
