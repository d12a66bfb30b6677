import { randomBytes } from 'node:crypto';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { ask } from './askDatabase';
import { closeLater } from '../server/closing';

/**
 * Creates a role. Roles belong to the whole server, so each has a random name, which also needs
 * quoting.
 */
export async function createServingRole(databaseUrl: string, attributes = '') {
  const name = `Serving "role" ${randomBytes(4).toString('hex')}`;
  const password = randomBytes(9).toString('hex');
  const quoted = escapeIdentifier(name);
  await ask(
    databaseUrl,
    `CREATE ROLE ${quoted} LOGIN ${attributes} PASSWORD ${escapeLiteral(password)}`,
  );
  closeLater(() => ask(databaseUrl, `DROP OWNED BY ${quoted}; DROP ROLE ${quoted}`));
  const url = new URL(databaseUrl);
  url.username = encodeURIComponent(name);
  url.password = password;
  return { name, quoted, url: url.toString() };
}
