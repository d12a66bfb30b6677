import { existsSync } from 'node:fs';
import express from 'express';
import { deps } from '@/server/app';
import { callGateway } from '@/tests/helpers/http/gatewayCall';
import { startCaddy, startNginx } from '@/tests/helpers/http/gateways';
import { describeGateway } from '@/tests/helpers/http/gatewaySuite';
import { listen } from '@/tests/helpers/http/listen';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const NGINX = process.env['NGINX'] ?? '/usr/sbin/nginx';
const CADDY = process.env['CADDY'] ?? '/usr/bin/caddy';

const PROGRAMS = [
  { name: 'nginx', command: NGINX, start: startNginx },
  { name: 'Caddy', command: CADDY, start: startCaddy },
];

for (const { name, command, start } of PROGRAMS) {
  if (existsSync(command)) {
    describeGateway({ name: `${name} with the example`, start: (parts) => start(command, parts) });
  } else {
    process.stderr.write(`No ${name} was found at ${command}, so its example does not run.\n`);
  }
}

if (existsSync(NGINX)) {
  it('nginx answers 503 and asks the API nothing if an answer outgrows its buffers', async () => {
    let reached = 0;
    const upstream = express().use((_req, res) => {
      reached += 1;
      res.end();
    });
    const parts = {
      gatehouse: await listen(buildApp().app),
      upstream: await listen(upstream),
      serviceKey: await makeServiceKey(deps, ['introspect']),
    };
    const small = (text: string) =>
      text.replace(/proxy_buffer_size.*|proxy_buffers.*|proxy_busy_buffers_size.*/g, '');
    const origin = await startNginx(NGINX, parts, (text) => `proxy_buffer_size 2k;${small(text)}`);
    const names = Array.from({ length: 50 }, (_, at) => `app:reports.of-section-${at}.read`);
    const { token } = await seedTestUserAndToken({ permissions: names });
    const { status, body } = await callGateway(origin, '/', { authorization: `Bearer ${token}` });
    expect([status, body['error'], reached]).toEqual([503, 'DATABASE_UNAVAILABLE', 0]);
  });
}
