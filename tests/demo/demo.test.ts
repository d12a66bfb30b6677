import request from 'supertest';
import { buildApp } from '@/tests/helpers/server/testApp';

const FILES = ['/demo', '/demo/demo.js', '/demo/demo.css', '/demo/gatehouse.js'];

describe('the example page', () => {
  it.each(FILES)('%s is served where Gatehouse brings its own database', async (path) => {
    const { app } = buildApp({ mode: 'embedded' });
    const res = await request(app).get(path);
    expect(res.status).toBe(200);
    expect(res.headers['content-security-policy']).toMatch(
      /default-src 'none'; script-src 'self';/,
    );
    expect(res.headers['content-security-policy']).not.toMatch(/unsafe|https?:/);
    expect(res.text.length).toBeGreaterThan(100);
  });

  it.each(FILES)('%s does not exist on a database of the operator', async (path) => {
    const { app } = buildApp();
    expect((await request(app).get(path)).status).toBe(404);
  });

  it('is whole below a path that a gateway takes away, and at an address with a slash at its end', async () => {
    const { app } = buildApp({ mode: 'embedded' });
    const moved = await request(app).get('/demo/');
    expect(moved.status).toBe(302);
    const page = new URL(moved.headers['location'] ?? '', 'https://x.example/gate/demo/');
    const behind = ({ pathname }: URL) => request(app).get(pathname.replace(/^\/gate\//, '/'));
    const { text } = await behind(page);
    const named = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, to = '']) => to);
    const loaded = named.filter((to) => !to.startsWith('data:')).map((to) => new URL(to, page));
    for (const script of loaded.filter(({ pathname }) => pathname.endsWith('.js'))) {
      const { text: code } = await behind(script);
      for (const [, from = ''] of code.matchAll(/^import .* from '(.*)';$/gm))
        loaded.push(new URL(from, script));
    }
    expect(loaded.map(({ pathname }) => pathname)).toEqual([
      '/gate/demo/demo.css',
      '/gate/demo/demo.js',
      '/gate/demo/gatehouse.js',
    ]);
    for (const url of loaded) expect((await behind(url)).status).toBe(200);
  });

  it('has no inline script and no inline style', async () => {
    const { app } = buildApp({ mode: 'embedded' });
    const { text } = await request(app).get('/demo');
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=/);
  });
});
