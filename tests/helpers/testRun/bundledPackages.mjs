import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { buildSync } from 'esbuild';

/**
 * The packages that the product and its tests import, except native code and packages that a test
 * replaces.
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
const packageOf = (specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)[0];

/**
 * Writes one file for each package, which finds the other packages of the list by their names, and
 * one for each specifier, which exports its part of the package.
 */
function write(root, folder, name) {
  const specifiers = SPECIFIERS.filter((specifier) => packageOf(specifier) === name);
  const entry = specifiers.map((specifier) => `'${specifier}': () => require('${specifier}'),`);
  const file = `${name.replace('/', '+')}.js`;
  buildSync({
    stdin: { contents: `module.exports = {\n${entry.join('\n')}\n};`, resolveDir: root },
    outfile: join(folder, file),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    external: [...SPECIFIERS.filter((specifier) => !specifiers.includes(specifier)), 'pg-native'],
    minifyWhitespace: true,
    logLevel: 'error',
  });
  for (const specifier of specifiers) {
    const stub = join(folder, 'of', `${specifier}.js`);
    mkdirSync(dirname(stub), { recursive: true });
    const all = relative(dirname(stub), join(folder, file));
    writeFileSync(stub, `module.exports = require('${all}')['${specifier}']();\n`);
  }
}

/**
 * Bundles each package that the tests load into one file, once for each package-lock.json. Jest
 * loads the packages again for every test file, and loading a thousand small files takes longer
 * than most tests. The build bundles its programs for the same reason.
 * @param {string} root the repository
 * @returns {Record<string, string>} the entry of jest's `moduleNameMapper`
 */
export function bundlePackages(root) {
  const hash = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(readFileSync(import.meta.filename))
    .digest('hex')
    .slice(0, 16);
  const cache = join(root, 'node_modules', '.cache', 'gatehouse');
  const folder = join(cache, `packages-${hash}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const aside = mkdtempSync(join(cache, 'packages-'));
    for (const name of new Set(SPECIFIERS.map(packageOf))) write(root, aside, name);
    try {
      renameSync(aside, folder);
    } catch (error) {
      // Another run created it first.
      if (!existsSync(folder)) throw error;
    }
  }
  return { [`^(${escaped})$`]: join(folder, 'of', '$1.js') };
}
