/** The import rules that docs/architecture.md describes. */
const area =
  '(appEvents|apiKeys|service|auth|security|compliance|tenants|profile|health|impersonation|ipRules|domains|scim|limits|mail|identities|sso|ssoConnections|demo|verify)';
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'areas-meet-at-their-index',
      severity: 'error',
      comment: 'Another area is used through its index.ts alone.',
      from: { path: `^server/${area}/` },
      to: { path: `^server/${area}/`, pathNot: [`^server/$1/`, `^server/${area}/index\\.ts$`] },
    },
    {
      name: 'nobody-imports-compliance',
      severity: 'error',
      from: {
        path: '^server/',
        pathNot:
          '^server/(compliance/|routeTables/evidenceTable\\.ts|deps\\.ts|bootstrap/startNode\\.ts)',
      },
      to: { path: '^server/compliance/' },
    },
    {
      name: 'audit-stays-below-the-areas',
      severity: 'error',
      from: { path: '^server/(audit|db|http)/' },
      to: { path: `^server/(auth|compliance|tenants|profile)/` },
    },
    {
      name: 'ip-rules-stay-below-the-areas',
      severity: 'error',
      comment: 'The areas that admit callers ask the rules.',
      from: { path: '^server/ipRules/' },
      to: {
        path: '^server/(appEvents|apiKeys|service|auth|security|compliance|tenants|profile|introspection|accessChanges|impersonation|health|limits|mail|bootstrap|cli)/',
      },
    },
    {
      name: 'mail-stays-below-the-areas',
      severity: 'error',
      from: { path: '^server/mail/' },
      to: {
        path: `^server/(auth|security|compliance|tenants|profile|health|http|bootstrap|keys|schema|cli)/`,
      },
    },
    {
      name: 'db-imports-only-errors-units-and-config',
      severity: 'error',
      from: { path: '^server/db/' },
      to: { path: '^server/', pathNot: '^server/(db/|errors\\.ts|durations\\.ts|config/)' },
    },
    {
      name: 'express-only-in-http-and-routes',
      severity: 'error',
      from: {
        path: '^server/',
        pathNot: '(^server/http/|[rR]outes\\.ts$|^server/createApp\\.ts$)',
      },
      to: { path: '^node_modules/express/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'sql-only-in-stores',
      severity: 'error',
      from: { path: '^server/', pathNot: '(^server/db/|^server/schema/|[sS]tore\\.ts$)' },
      to: { path: '^node_modules/drizzle-orm/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'log-rules-need-no-database',
      severity: 'error',
      comment: 'Only the files that read the log for the verifier of the database may query it.',
      from: {
        path: '^server/audit/verify/',
        pathNot: '/(verifyStore|guardStore|inspectLog|index)\\.ts$',
      },
      to: {
        path: '(^server/db/|[sS]tore\\.ts$|^node_modules/pg/)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'server-never-imports-tests',
      severity: 'error',
      from: { path: '^(server|tlog)/' },
      to: { path: '^(tests|bench|scripts)/' },
    },
    {
      name: 'embedded-stands-alone',
      severity: 'error',
      comment: 'The embedded Postgres imports nothing else of the server.',
      from: { path: '^server/embedded/' },
      to: { path: '^(server|tlog)/', pathNot: '^server/embedded/' },
    },
    {
      name: 'tlog-stands-alone',
      severity: 'error',
      comment:
        'The server, the verifier and browsers use it: it has no package and imports no other folder.',
      from: { path: '^tlog/' },
      to: { path: '(/|^node_modules)', pathNot: '^(tlog/|(node:)?(crypto|fs|path|zlib)$)' },
    },
    {
      name: 'client-stands-alone',
      severity: 'error',
      comment: 'It runs in browsers: it has no package and imports no other folder.',
      from: { path: '^client/' },
      to: { pathNot: '^client/' },
    },
    {
      name: 'guard-needs-only-tlog',
      severity: 'error',
      comment: "It runs in the team's own API: it has no package and nothing of the server.",
      from: { path: '^guard/' },
      to: {
        path: '(/|^node_modules)',
        pathNot: '^(guard/|tlog/|(node:)?(crypto|timers/promises)$)',
      },
    },
    {
      name: 'verifier-needs-only-tlog',
      severity: 'error',
      comment: 'It runs where there is no Gatehouse.',
      from: { path: '^verifier/' },
      to: { path: '^(server|client|guard|tests|bench|scripts)/' },
    },
    {
      name: 'server-never-imports-client-guard-or-verifier',
      severity: 'error',
      from: { path: '^(server|tlog)/' },
      to: { path: '^(client|guard|verifier)/' },
    },
    {
      name: 'no-dev-dependency-in-server',
      severity: 'error',
      from: { path: '^(server|tlog)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'types'],
    },
  },
};
