import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { deps } from '@/server/app';
import { BUILT_IN_ROLES } from '@/server/builtInRoles';
import { FINDING_KINDS } from '@/server/audit/verify';
import { EXIT } from '@/server/bootstrap/exitCodes';
import { fileSink } from '@/server/config/checkpointSettings';
import { MOST_ON_NODE } from '@/server/compliance/exportPlaces';
import { routeTable } from '@/server/createApp';
import { ERRORS } from '@/server/errors';
import { BUILT_IN_PERMISSIONS, PERMISSIONS } from '@/server/permissions';
import { SIGNALS } from '@/server/security/risk/signals';
import { buildApp } from '@/tests/helpers/server/testApp';
import { CHECKS, FINDING_KINDS as BUNDLE_FINDING_KINDS } from '@/verifier/bundleFindings';
import { OPEN_KINDS } from '@/verifier/openQuestions';
import { OUTCOMES } from '@/verifier/outcome';
import { FINDING_CODES } from '../../scripts/schema/finding';

const root = join(__dirname, '..', '..');
const read = (name: string) => readFileSync(join(root, name), 'utf8');

describe('the papers are true', () => {
  it('docs/errors.md names every code with its status and kind, and no other', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (\w+) /gm)];
    const rows = documented.map(([, code, status, kind]) => [code, Number(status), kind]);
    const real = Object.entries(ERRORS).map(([code, { status, fixed }]) => [
      code,
      status,
      fixed ? 'fixed' : 'problem',
    ]);
    expect(rows.sort()).toEqual(real.sort());
  });

  it('docs/development-workflow.md names every finding of the schema check with its meaning', () => {
    const paper = read('docs/development-workflow.md');
    const rows = [...paper.matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\|$/gm)];
    expect(Object.fromEntries(rows.map(([, code, meaning]) => [code, meaning]))).toEqual(
      FINDING_CODES,
    );
  });

  it('docs/verify-log.md names every finding with its check and meaning', () => {
    const rows = [...read('docs/verify-log.md').matchAll(/^\| `(\w+)` +\| (\w+) +\| (.+?) +\|$/gm)];
    const told = rows.map(([, kind = '', check, means]) => [kind, { check, means }]);
    expect(Object.fromEntries(told)).toEqual(FINDING_KINDS);
  });

  it('docs/verify-bundle.md names every finding and question with its check and meaning, and every check and outcome', () => {
    const paper = read('docs/verify-bundle.md');
    const rows = [...paper.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.+?) +\|$/gm)];
    const told = rows.map(([, kind = '', check, means]) => [kind, { check, means }]);
    expect(Object.fromEntries(told)).toEqual({ ...OPEN_KINDS, ...BUNDLE_FINDING_KINDS });
    const outcomes = [...paper.matchAll(/^\| (\d) +\| `(\w+)` +\|/gm)];
    expect(Object.fromEntries(outcomes.map(([, code, name = '']) => [name, Number(code)]))).toEqual(
      OUTCOMES,
    );
    const [, checks = ''] = /## What is checked([^]*?)## /.exec(paper) ?? [];
    expect([...checks.matchAll(/^\| `(\w+)` /gm)].map(([, check]) => check)).toEqual([...CHECKS]);
  });

  it('docs/risk.md names every signal with its weight and what covers it', () => {
    const table = /^## Signals$([^]*?)^## /m.exec(read('docs/risk.md'))?.[1] ?? '';
    const rows = [...table.matchAll(/^\| `([A-Z_]+)` +\| (\d+) +\|.*\| +([^|]*)\|$/gm)];
    const told = rows.map(([, code, weight, cover = '']) => [
      code,
      Number(weight),
      [...cover.matchAll(/[A-Z_]+/g)].map(String),
    ]);
    expect(told).toEqual(SIGNALS.map(({ code, weight, unless }) => [code, weight, unless ?? []]));
  });

  it('docs/roles.md names every built-in permission with its sentence, and every built-in role', () => {
    const page = read('docs/roles.md');
    const permissions = [...page.matchAll(/^\| `([A-Z_]+)` +\| (yes|no) +\| (.+?) +\|$/gm)];
    expect(permissions.map(([, ...row]) => row)).toEqual(
      Object.entries(PERMISSIONS).map(([name, { sentence, privileged }]) => [
        ...[name, privileged ? 'yes' : 'no', sentence],
      ]),
    );
    const roles = [
      ...page.matchAll(/^\| `([a-z_]+)` +\| ([A-Z][\w ]*?) +\| (.+?\.) +\| (.+?) +\|$/gm),
    ];
    expect(
      roles.map(([, id, name, description, list = '']) => {
        const given = [...list.matchAll(/`([A-Z_]+)`/g)].map(([, permission]) => permission);
        const all = list === 'all built-in ones' ? BUILT_IN_PERMISSIONS : given;
        return [id, { name, description, permissions: all }];
      }),
    ).toEqual(
      Object.entries(BUILT_IN_ROLES).map(([id, { name, description, permissions: given }]) => [
        ...[id, { name, description, permissions: given }],
      ]),
    );
  });

  it('docs/deployment.md names every exit code of a refused start', () => {
    const rows = [...read('docs/deployment.md').matchAll(/^\| (\d) +\|/gm)];
    expect(rows.map(([, code]) => Number(code))).toEqual(Object.values(EXIT));
  });

  it('docs/deployment.md counts every connection that a node may have', () => {
    const [, sum, table = ''] =
      /A node has at most (\d+) connections:\n\n([^]*?)\n\n/.exec(read('docs/deployment.md')) ?? [];
    const told = [...table.matchAll(/ (\d+) +\|$/gm)].map(([, count]) => Number(count));
    expect(told.reduce((all, count) => all + count, 0)).toBe(Number(sum));
    const sink = (name: string) => ({ sink: name, url: 'http://127.0.0.1:1', token: undefined });
    const { Pool } = pg;
    const pools = jest.spyOn(pg, 'Pool').mockImplementation((options) => new Pool(options));
    buildApp({
      checkpoints: { file: fileSink('/nowhere/heads'), webhook: sink('webhook') },
      eventFeed: { ...sink('feed'), format: 'json', start: 'now' },
    });
    const sizes = pools.mock.calls.map(([options]) => options?.max);
    pools.mockRestore();
    // The last three are no pools. Each is a single connection.
    expect(sizes.sort()).toEqual(told.slice(0, -3).sort());
    expect(told.slice(-3)).toEqual([1, 1, MOST_ON_NODE]);
  });

  it('every test that an incident names is there', () => {
    const papers = readdirSync(join(root, 'docs/incidents')).map((name) =>
      read(`docs/incidents/${name}`),
    );
    const named = [...papers.join('\n').matchAll(/`(tests\/[^`]+)`/g)].map(
      ([, path]) => path ?? '',
    );
    expect(named.length).toBeGreaterThan(5);
    for (const path of named) expect(existsSync(join(root, path)) ? '' : path).toBe('');
  });

  it('the README speaks of no route that does not exist', () => {
    const known = new Set(routeTable(deps).map(({ path }) => path));
    const spoken = [
      ...`${read('README.md')}${read('replit.md')}`.matchAll(/\/api\/[a-z/-]+[a-z]/g),
    ];
    for (const [path] of spoken) expect([...known]).toContain(path);
    expect(spoken.length).toBeGreaterThan(5);
  });

  it('every curl of the pages calls a route that exists, at $URL', () => {
    const known = routeTable(deps).map(({ method, path }) => {
      const form = path.replace(/:\w+/g, '[^/]+');
      return { method, path: new RegExp(`^${form}$`) };
    });
    const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const calls = pages.flatMap((page) =>
      [
        ...read(`docs/${page}`)
          .replaceAll('\\\n', ' ')
          .matchAll(/^curl .*(?:\n {2}-.*)*/gm),
      ].map(([call]) => ({ page, call })),
    );
    expect(calls.length).toBeGreaterThan(10);
    const lost = calls.filter(({ call }) => {
      const [, path] = /"\$URL(\/[^"?]+)/.exec(call) ?? [];
      const [, chosen] = / -X (\w+)/.exec(call) ?? [];
      const method = (chosen ?? (call.includes(" -d '") ? 'post' : 'get')).toLowerCase();
      return !known.some((route) => route.method === method && route.path.test(path ?? ''));
    });
    expect(lost).toEqual([]);
  });

  const papers = ['README.md', 'replit.md', 'CHANGELOG.md'].concat(
    readdirSync(join(root, 'docs'), { recursive: true }).flatMap((name) =>
      String(name).endsWith('.md') ? [`docs/${String(name)}`] : [],
    ),
  );

  it('no block for pasting into a shell has a comment: zsh takes it for a command', () => {
    const blocks = papers.flatMap((paper) =>
      [...read(paper).matchAll(/^ *```(?:sh|bash|zsh|shell|console)\n([^]*?)^ *```/gm)].map(
        ([, block = '']) => [paper, /(?:^|\s)#(?:\s.*)?$/m.exec(block)?.[0]],
      ),
    );
    expect(blocks.length).toBeGreaterThan(10);
    expect(blocks.filter(([, comment]) => comment !== undefined)).toEqual([]);
  });

  it('every link between the papers leads somewhere', () => {
    for (const paper of papers) {
      for (const [, target = ''] of read(paper).matchAll(/\]\((?!http)([^)#]+)/g)) {
        expect(() => readdirSync(join(root, paper, '..', target, '..'))).not.toThrow();
        expect([paper, readdirSync(join(root, paper, '..', target, '..'))]).toEqual([
          paper,
          expect.arrayContaining([target.replace(/\/$/, '').split('/').at(-1)]),
        ]);
      }
    }
  });

  it('every npm script that the papers name exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [
      ...`${read('README.md')}${read('replit.md')}`.matchAll(/npm run (?:--silent )?([a-z:-]+)/g),
    ];
    for (const [, script = ''] of named) expect(Object.keys(scripts)).toContain(script);
  });
});
