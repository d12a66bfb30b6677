import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@/server/db';
import { findRoute } from '@/server/db/databaseRoute';
import { closeLater } from '../helpers/server/closing';
import { runPgBouncer } from '../helpers/database/pgBouncer';
import { REPOSITORY } from '../helpers/server/serverProcess';

const docs = readFileSync(join(REPOSITORY, 'docs', 'deployment.md'), 'utf8');
const [, documented = ''] = /```ini\n([^]*?)```/.exec(docs) ?? [];

it.each(['session', 'transaction'])(
  'the documented pgbouncer.ini works in %s mode, with a password',
  async (mode) => {
    const direct = new URL(process.env['DATABASE_URL'] ?? '');
    const { hostname, port, username, password, pathname } = direct;
    const bouncer = await runPgBouncer((listenPort, folder) => {
      const users = join(folder, 'users.txt');
      writeFileSync(users, `"${username}" "${decodeURIComponent(password)}"\n`);
      return documented
        .replace(
          /^gatehouse = .*$/m,
          `gatehouse = host=${hostname} port=${port} dbname=${pathname.slice(1)}`,
        )
        .replace('listen_port = 6432', `listen_port = ${listenPort}`)
        .replace('/etc/pgbouncer/userlist.txt', users)
        .replace('pool_mode = session', `pool_mode = ${mode}`);
    });
    const url = `postgres://${username}:${password}@127.0.0.1:${bouncer.port}/gatehouse`;
    expect((await findRoute(url)).mode).toBe(mode);
    const { pool, close } = connect({ url, poolSize: 10, statementTimeoutMs: 8000 });
    closeLater(close);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        pool.query({ name: 'a_name', text: 'SELECT $1::int AS n', values: [n] }),
      ),
    );
    expect(answers).toHaveLength(50);
  },
);
