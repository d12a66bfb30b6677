import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import request from 'supertest';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const built = (name: string) => readFileSync(join(REPOSITORY, 'dist', 'verifier', name), 'utf8');

describe('/verify', () => {
  it('is one page, to be run by nothing but its own script and to load nothing, framed by nobody', async () => {
    const res = await request(app).get('/verify').expect(200);
    expect(res.type).toBe('text/html');
    expect(res.text).toBe(built('verify.html'));
    const policy = String(res.headers['content-security-policy']);
    const inline = (tag: string) => {
      const [, text = ''] = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(res.text) ?? [];
      expect(text.length).toBeGreaterThan(500);
      return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
    };
    expect(policy).toBe(
      `default-src 'none'; script-src ${inline('script')}; style-src ${inline('style')}; connect-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`,
    );
    expect(res.text).toContain(`content="${policy.replace("; frame-ancestors 'none'", '')}"`);
    expect(res.text).not.toMatch(/(src|href)=/);
  });
});

describe('/verify.mjs', () => {
  it('is the verifier, to take along', async () => {
    const res = await request(app).get('/verify.mjs').expect(200);
    expect(res.headers['content-disposition']).toBe('attachment; filename=verify.mjs');
    expect(res.type).toBe('text/javascript');
    expect(res.text).toBe(built('verify.mjs'));
  });

  it('imports nothing but what Node.js brings', () => {
    const imports = [...built('verify.mjs').matchAll(/^import .* from "([^"]+)";$/gm)];
    const names = imports.map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(3);
    expect(names.filter((name) => !name.startsWith('node:'))).toEqual([]);
    expect(built('verify.mjs')).not.toMatch(
      /\brequire\(|\bimport\(|process\.env|node:(net|http|child_process)/,
    );
  });
});
