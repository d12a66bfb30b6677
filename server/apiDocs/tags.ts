/** The groups of routes, in the order in which they are shown, with their meanings. */
export const TAGS = {
  'Sign-in': 'Sign in and out, sessions, passwords, and the links in notices',
  Profile: "The caller's own profile, data and e-mail address",
  'Step-up': 'Second proofs, and the factors for them',
  Risk: "The tenant's risk policy, and the decisions of the risk gate",
  'IP rules': 'The addresses from which people and API keys of the tenant may act',
  Tenant: 'The tenant, its permissions and its roles',
  Approvals: 'Changes that wait for a second administrator',
  Staff: 'The members of the tenant',
  Invitations: 'For administrators, and for the person who was invited',
  'API keys': "Keys for the tenant's programs",
  Services: 'For programs of the team, with a service key',
  Exports: 'Evidence for auditors',
  Access: "What the team's own API asks about tokens, and what has changed about them",
  'Audit log': 'Audit events, and the proofs that none was changed',
  Health: 'For load balancers and monitoring',
  Pages: 'Pages for people, and the description of the API',
} as const;
