import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { BYPASSES, bypassesOf } from '@/server/db/schema/bypasses';
import type { Bypass } from '@/server/db/schema/bypasses';
import { CALLED_FUNCTIONS, OWNER_FUNCTIONS } from '@/server/db/schema/ownerFunctions';
import type { OwnerFunction } from '@/server/db/schema/ownerFunctions';

const ROOT = join(__dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/isolation.md'), 'utf8');

/** The tables that docs/isolation.md lists, with what it says about each. */
const listed = [...page.matchAll(/^\| `([a-z_]+)` +\| (yes|no) +\| (.*?) *\|$/gm)].map(
  ([, table = '', covered = '', note = '']) => ({ table, covered: covered === 'yes', note }),
);

interface Guarded {
  table: string;
  covered: boolean;
  policies: { name: string; command: string; permissive: boolean; using: string; check: string }[];
}

/** Reads every table with rows of a tenant, with its policies. */
async function readTables(): Promise<Guarded[]> {
  const { rows } = await db.execute<Guarded & Record<string, unknown>>(
    sql`SELECT c.relname AS "table", c.relrowsecurity AS covered,
          coalesce(json_agg(json_build_object('name', p.polname, 'command', p.polcmd,
            'permissive', p.polpermissive, 'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid))) FILTER (WHERE p.oid IS NOT NULL), '[]') AS policies
        FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND (p.oid IS NOT NULL OR c.relrowsecurity
          OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'))
        GROUP BY c.oid ORDER BY c.relname`,
  );
  return rows;
}

describe('row-level security', () => {
  it('covers the tables that docs/isolation.md says it does, and the page names every table with a tenant', async () => {
    const found = (await readTables()).map(({ table, covered }) => ({ table, covered }));
    expect(listed.map(({ table, covered }) => ({ table, covered }))).toEqual(found);
  });

  it('leaves out no table without a reason', () => {
    expect(listed.filter(({ covered, note }) => !covered && note.length < 30)).toEqual([]);
  });

  it('has one policy on each covered table, which lists the bypasses of bypasses.ts and no others', async () => {
    const own = `(tenant_id = (NULLIF(current_setting('gatehouse.tenant_id'::text, true), ''::text))::uuid)`;
    for (const { table, covered, policies } of await readTables()) {
      const names = bypassesOf(table).sort();
      const bypass = `(current_setting('gatehouse.bypass'::text, true) = ANY ('{${names.join(',')}}'::text[]))`;
      const using = names.length === 0 ? own : `(${own} OR ${bypass})`;
      const only = { name: 'tenant_rows', command: '*', permissive: true, using, check: null };
      expect([table, policies]).toEqual([table, covered ? [only] : []]);
    }
  });
});

/** Counts each bypass in each file of the server. */
function countUses(): Record<string, Record<string, number>> {
  const counted: Record<string, Record<string, number>> = {};
  const USE = /(?:[aA]crossTenants\(\s*[\w.]+,\s*|scopeToBypass\(|\bbypass: )'(\w+)'/g;
  for (const file of readdirSync(join(ROOT, 'server'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    for (const [, name = ''] of readFileSync(join(ROOT, 'server', file), 'utf8').matchAll(USE)) {
      const files = (counted[name] ??= {});
      files[`server/${file}`] = (files[`server/${file}`] ?? 0) + 1;
    }
  }
  return counted;
}

describe('the bypasses of row-level security', () => {
  it('are used by the statements of bypasses.ts and by no other', () => {
    const allowed = Object.entries<Bypass>(BYPASSES).map(([name, { files }]) => [name, files]);
    expect(countUses()).toEqual(Object.fromEntries(allowed));
  });

  it('are set by server/db alone', () => {
    const set = readdirSync(join(ROOT, 'server'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .filter((file) =>
        readFileSync(join(ROOT, 'server', file), 'utf8').includes('gatehouse.bypass'),
      );
    expect(set.sort()).toEqual(['db/schema/tenantRows.ts', 'db/tenantScope.ts']);
  });

  it('each open a table, say why, and are listed in docs/isolation.md', () => {
    for (const [name, { tables, why }] of Object.entries<Bypass>(BYPASSES)) {
      expect([name, tables.length > 0, why.endsWith('.')]).toEqual([name, true, true]);
      const row = new RegExp(
        `^\\| \`${name}\` +\\| ${[...tables].map((one) => `\`${one}\``).join(', ')} +\\|`,
        'm',
      );
      expect(page).toMatch(row);
    }
  });
});

interface Definer {
  name: string;
  /** Whether PUBLIC may call it. A trigger cannot be called. */
  open: boolean;
  settings: string[];
  language: string;
  source: string;
}

/** Reads the functions that run with the rights of their owner. */
async function readDefiners(): Promise<Definer[]> {
  const { rows } = await db.execute<Definer & Record<string, unknown>>(
    sql`SELECT p.proname AS name, l.lanname AS language, p.proconfig AS settings, p.prosrc AS source,
          p.prorettype <> 'trigger'::regtype AND EXISTS (SELECT FROM aclexplode(
            coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0) AS open
        FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY p.proname`,
  );
  return rows;
}

describe('the functions with the rights of their owner', () => {
  it('are those of ownerFunctions.ts, read the tables that it lists, and are closed to PUBLIC', async () => {
    const found = (await readDefiners()).map(({ source, ...rest }) => ({
      ...rest,
      tables: [
        ...new Set([...source.matchAll(/public\.(\w+)/g)].map(([, one = '']) => one)),
      ].sort(),
    }));
    const fixed = ['search_path=pg_catalog, pg_temp'];
    const expected = Object.entries<OwnerFunction>(OWNER_FUNCTIONS).map(([name, { tables }]) => ({
      ...{ name, tables, open: false, settings: fixed, language: 'plpgsql' },
    }));
    expect(found).toEqual(expected);
  });

  it('are called by the files of ownerFunctions.ts and by no other', () => {
    const counted: Record<string, Record<string, number>> = {};
    for (const file of readdirSync(join(ROOT, 'server'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file === 'db/schema/ownerFunctions.ts') continue;
      const code = readFileSync(join(ROOT, 'server', file), 'utf8');
      // Nothing can call the function of a trigger; the code may name it.
      for (const name of CALLED_FUNCTIONS) {
        const calls = code.split(name).length - 1;
        if (calls > 0) (counted[name] ??= {})[`server/${file}`] = calls;
      }
    }
    const allowed = Object.entries<OwnerFunction>(OWNER_FUNCTIONS)
      .filter(([name]) => CALLED_FUNCTIONS.includes(name))
      .map(([name, { files }]) => [name, files]);
    expect(counted).toEqual(Object.fromEntries(allowed));
  });

  it('each say why, and are listed in docs/isolation.md', () => {
    for (const [name, { tables, why }] of Object.entries<OwnerFunction>(OWNER_FUNCTIONS)) {
      const names = tables.map((one) => `\`${one}\``).join(', ');
      expect([name, why.endsWith('.')]).toEqual([name, true]);
      expect(page).toMatch(new RegExp(`^\\| \`${name}\` +\\| ${names} +\\|`, 'm'));
    }
  });
});
