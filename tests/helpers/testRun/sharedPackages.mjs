import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The packages that the product and its tests import, except packages that a test replaces.
 */
const SPECIFIERS = [
  '@simplewebauthn/server',
  '@simplewebauthn/server/helpers',
  'archiver',
  'cookie',
  'drizzle-orm',
  'drizzle-orm/node-postgres',
  'drizzle-orm/node-postgres/migrator',
  'drizzle-orm/pg-core',
  'express',
  'helmet',
  'ipaddr.js',
  'jsonwebtoken',
  'maxmind',
  'nodemailer',
  'oidc-provider',
  'openid-client',
  'otplib',
  'pg',
  'pg-copy-streams',
  'pino',
  'prom-client',
  'qrcode',
  'superagent',
  'supertest/index',
  'uuid',
  'zod',
];

const escaped = SPECIFIERS.map((name) => name.replaceAll('.', '\\.')).join('|');

/** Writes a module for each specifier. It gets the package from the worker (workerEnvironment.ts). */
function writeStubs(folder) {
  for (const specifier of SPECIFIERS) {
    const stub = join(folder, `${specifier}.js`);
    mkdirSync(dirname(stub), { recursive: true });
    writeFileSync(stub, `module.exports = globalThis.requireSharedPackage('${specifier}');\n`);
  }
}

/**
 * Lets the test files of a worker share the packages that they load. Jest loads a package again for
 * every test file, and loading a thousand files takes longer than most tests.
 * @param {string} root the repository
 * @returns {Record<string, string>} the entry of jest's `moduleNameMapper`
 */
export function sharePackages(root) {
  const hash = createHash('sha256').update(SPECIFIERS.join()).digest('hex').slice(0, 16);
  const cache = join(root, 'node_modules', '.cache', 'gatehouse');
  const folder = join(cache, `shared-${hash}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const aside = mkdtempSync(join(cache, 'shared-'));
    writeStubs(aside);
    try {
      renameSync(aside, folder);
    } catch (error) {
      // Another run created it first.
      if (!existsSync(folder)) throw error;
    }
  }
  return { [`^(${escaped})$`]: join(folder, '$1.js') };
}
