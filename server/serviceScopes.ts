/**
 * Every scope of a service key, with a sentence that completes "Holders may …". To add one, add an
 * entry here.
 */
export const SERVICE_SCOPES = {
  introspect: 'ask about access tokens and API keys, for step-ups and proofs, and what has changed',
  'events:declare': "declare the types of the team's own events",
  'events:write': "write the team's own events into the audit log",
  'tenants:manage': 'list, create, suspend and resume tenants',
} as const satisfies Record<string, string>;

export type ServiceScope = keyof typeof SERVICE_SCOPES;

/** The names of all scopes. */
export const SERVICE_SCOPE_NAMES = Object.keys(SERVICE_SCOPES) as ServiceScope[];
