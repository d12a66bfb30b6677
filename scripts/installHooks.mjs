// Installs the commit hook in a checkout. `npm ci` runs this script (npm's `prepare`). It does
// nothing in other places: in an image without git, in an archive, in CI, or in an install without
// development dependencies.
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function isTopOfCheckout() {
  try {
    const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    const top = execFileSync('git', ['rev-parse', '--show-toplevel'], options).trim();
    return realpathSync(top) === realpathSync(root);
  } catch {
    return false;
  }
}

const inCi = !['', 'false', undefined].includes(process.env.CI);
if (!inCi && isTopOfCheckout()) {
  process.chdir(root);
  const husky = await import('husky').catch(() => undefined);
  husky?.default();
}
