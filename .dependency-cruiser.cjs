/** The import rules that docs/architecture.md describes. */
const area = '(auth|security|compliance|tenants|health|mail|demo|verify)';
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
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
        pathNot: '^server/(compliance/|createApp\\.ts|deps\\.ts|startNode\\.ts)',
      },
      to: { path: '^server/compliance/' },
    },
    {
      name: 'audit-stays-below-the-areas',
      severity: 'error',
      from: { path: '^server/(audit|db|middleware)/' },
      to: { path: `^server/(auth|compliance|tenants)/` },
    },
    {
      name: 'mail-stays-below-the-areas',
      severity: 'error',
      from: { path: '^server/mail/' },
      to: { path: `^server/(auth|security|compliance|tenants|health|middleware|bootstrap|cli)/` },
    },
    {
      name: 'db-is-the-floor',
      severity: 'error',
      from: { path: '^server/db/' },
      to: { path: '^server/', pathNot: '^server/(db/|errors\\.ts|config\\.ts)' },
    },
    {
      name: 'express-only-at-the-door',
      severity: 'error',
      from: {
        path: '^server/',
        pathNot: '(^server/middleware/|routes\\.ts$|^server/createApp\\.ts$)',
      },
      to: { path: '^node_modules/express/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'sql-only-in-stores',
      severity: 'error',
      from: { path: '^server/', pathNot: '(^server/db/|^server/bootstrap/|[sS]tore\\.ts$)' },
      to: { path: '^node_modules/drizzle-orm/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'what-checks-the-log-needs-no-database',
      severity: 'error',
      comment: 'The same rules check what was exported, where there is no database.',
      from: {
        path: '^server/audit/verify/',
        pathNot: '/(verifyStore|guardStore|verifyLog|index)\\.ts$',
      },
      to: {
        path: '(^server/db/|[sS]tore\\.ts$|^node_modules/pg/)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'server-never-imports-tests',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: '^(tests|bench|scripts)/' },
    },
    {
      name: 'client-stands-alone',
      severity: 'error',
      comment: 'It runs in browsers: no package, nothing of the server.',
      from: { path: '^client/' },
      to: { pathNot: '^client/' },
    },
    {
      name: 'server-never-imports-client',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: '^client/' },
    },
    {
      name: 'verifier-needs-no-server',
      severity: 'error',
      comment: 'It runs where there is no Gatehouse: of the server it has what only computes.',
      from: { path: '^verifier/' },
      to: {
        path: '^(server|client|tests|bench|scripts)/',
        pathNot:
          '^server/audit/(canonicalJson|log/(checkpoint|leaf|merkleTree|signedNote|treeProofs)|verify/(batchTimes|believedKeys|findingList|inputFaults|noteFile|reportText))\\.ts$|^server/(closedOutput|nearestNames)\\.ts$',
      },
    },
    {
      name: 'server-never-imports-verifier',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: '^verifier/' },
    },
    {
      name: 'no-dev-dependency-in-server',
      severity: 'error',
      from: { path: '^server/' },
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
