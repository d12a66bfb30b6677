import { builtinRules } from 'eslint/use-at-your-own-risk';
import tseslint from 'typescript-eslint';

// Rules that need no types. .oxlintrc.json has the rules that need types.

// The limits are advice first and errors later: a file or a function is cut at a joint, not at a number.
const advice = {
  rules: Object.fromEntries(
    ['max-lines', 'max-lines-per-function'].map((name) => [name, builtinRules.get(name)]),
  ),
};
const counted = (max) => ({ max, skipBlankLines: true, skipComments: true });
const functionLimits = {
  'advice/max-lines-per-function': ['warn', counted(60)],
  'max-lines-per-function': ['error', counted(90)],
};

const restrictedSyntax = [
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message:
      'Only server/config/index.ts and server/config/evidenceConfig.ts read the environment.',
  },
];

export default tseslint.config(
  {
    ignores: [
      ...['dist', '.dist-*', 'node_modules', 'coverage', '.gatehouse', 'migrations'],
      // It imports packages that Gatehouse does not have.
      'examples/your-own-api/nest.ts',
    ],
  },
  ...tseslint.configs.recommended,
  { plugins: { advice }, linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-console': 'error',
      'advice/max-lines': ['warn', counted(300)],
      'max-lines': ['error', counted(400)],
    },
  },
  {
    files: ['server/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...restrictedSyntax],
      ...functionLimits,
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '(^|/)db(/index)?$',
              importNames: ['db'],
              message: 'The shared handle is for tests and scripts: take db from Deps.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['server/audit/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...restrictedSyntax,
        {
          selector:
            "CallExpression[callee.object.name='Date'][callee.property.name='now'], NewExpression[callee.name='Date'][arguments.length=0], CallExpression[callee.name=/^random(UUID|Bytes)$/]",
          message: 'Take the time from `clock` and chance from `random`; tests replace them.',
        },
      ],
    },
  },
  {
    files: ['client/**/*.ts', 'tlog/**/*.ts', 'verifier/**/*.ts'],
    rules: {
      ...functionLimits,
    },
  },
  {
    files: ['server/config/index.ts', 'server/config/evidenceConfig.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['tests/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.{ts,mjs}', '*.{js,mjs,cjs,ts}'],
    rules: {
      'no-console': 'off',
    },
  },
  {
    files: ['tests/**/*.ts'],
    ignores: ['tests/helpers/database/openPool.ts', 'tests/docs/papers.test.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "NewExpression[callee.name='Pool']",
          message:
            'Use openPool: an error of an idle connection without a listener ends the process.',
        },
        ...['Literal[value', 'TemplateElement[value.raw'].map((text) => ({
          selector: `${text}=/pg_(stat_activity|locks)/]:not(${text}=/datname|WHERE pid = /])`,
          message: 'Name the database: tests that run at the same time share one server.',
        })),
      ],
    },
  },
  { files: ['examples/your-own-api/*.mjs'], rules: { 'no-console': 'off' } },
  { files: ['examples/**/*.mjs'], rules: { 'no-console': 'off' } },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
);
