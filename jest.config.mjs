import { existsSync } from 'node:fs';
import { sharePackages } from './tests/helpers/testRun/sharedPackages.mjs';

const BROWSERS = [
  process.env.CHROMIUM,
  // The same engine without windows starts and loads pages in half the time.
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const browser = BROWSERS.find((path) => path && existsSync(path));
// The tests read the path from here.
process.env.CHROMIUM = browser ?? '';
if (browser === undefined) {
  process.stderr.write(
    'No Chromium was found, so tests/browser does not run. Install it (Debian: chromium-headless-shell), or set CHROMIUM to its path.\n',
  );
}

const SHELLS = ['/bin/zsh', '/usr/bin/zsh', '/usr/local/bin/zsh', '/opt/homebrew/bin/zsh'];
const zsh = SHELLS.find((path) => existsSync(path));
process.env.ZSH_SHELL = zsh ?? '';
if (zsh === undefined) {
  process.stderr.write(
    'No zsh was found, so the README is tested only in bash. Install it (Debian: zsh).\n',
  );
}

const BOUNCERS = [
  process.env.PGBOUNCER,
  '/usr/sbin/pgbouncer',
  '/usr/bin/pgbouncer',
  '/usr/local/bin/pgbouncer',
  '/opt/homebrew/bin/pgbouncer',
];
const bouncer = BOUNCERS.find((path) => path && existsSync(path));
process.env.PGBOUNCER = bouncer ?? '';
if (bouncer === undefined) {
  process.stderr.write(
    'No PgBouncer was found, so tests/pgbouncer does not run. Install it (Debian: pgbouncer), or set PGBOUNCER to its path.\n',
  );
}

// The test of the examples for gateways names each program that it does not find.
const gateways = [process.env.NGINX ?? '/usr/sbin/nginx', process.env.CADDY ?? '/usr/bin/caddy'];
const gateway = gateways.some((path) => existsSync(path));
if (!gateway) {
  process.stderr.write(
    'Neither nginx nor Caddy was found, so the examples for gateways do not run. Install one (Debian: nginx, caddy), or set NGINX or CADDY to its path.\n',
  );
}

/** @type {import('jest').Config} */
export default {
  rootDir: import.meta.dirname,
  roots: ['<rootDir>/tests'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    ...(browser ? [] : ['/tests/browser/']),
    ...(bouncer ? [] : ['/tests/pgbouncer/']),
    ...(gateway ? [] : ['/tests/introspection/gateways']),
  ],
  testEnvironment: '<rootDir>/tests/helpers/testRun/databaseEnvironment.ts',
  runtime: '<rootDir>/tests/helpers/testRun/workerRuntime.cjs',
  globalSetup: '<rootDir>/tests/helpers/testRun/globalSetup.ts',
  globalTeardown: '<rootDir>/tests/helpers/testRun/globalTeardown.ts',
  testSequencer: '<rootDir>/tests/helpers/testRun/longestFirst.mjs',
  setupFilesAfterEnv: [
    '<rootDir>/tests/helpers/testRun/closeHandles.ts',
    '<rootDir>/tests/helpers/testRun/checkAnswers.ts',
  ],
  moduleNameMapper: {
    '^@/(.*)$': '<rootDir>/$1',
    // import() in TypeScript needs names that end in .js.
    '^(\\./(?:checkDatabase|record|rehearse|scratchDatabase))\\.js$': '$1',
    '^supertest$': '<rootDir>/tests/helpers/testRun/supertest.cjs',
    ...sharePackages(import.meta.dirname),
  },
  transform: {
    '^.+\\.[cm]?[jt]s$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
      },
    ],
  },
  // archiver and its dependencies are ES modules, and jest must transform them.
  transformIgnorePatterns: [
    '/node_modules/(?!(archiver|zip-stream|compress-commons|crc32-stream|is-stream|readdir-glob|lazystream|@scure/base|@noble/hashes)/)',
  ],
  testTimeout: 480_000,
  // Two more than the cores of the intended machine, because many tests wait for processes, disks and deadlines.
  maxWorkers: 4,
};
