import request from 'supertest';
import { buildApp } from '@/tests/helpers/testApp';

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

  it('has no inline script and no inline style', async () => {
    const { app } = buildApp({ mode: 'embedded' });
    const { text } = await request(app).get('/demo');
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=/);
  });
});
