import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { closeLater } from '@/tests/helpers/server/closing';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const server = createServer(app).listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

const paper = readFileSync(join(__dirname, '..', '..', 'docs', 'audit-log.md'), 'utf8');
const blockAfter = (text: string) =>
  /```sh\n([^]*?)```/.exec(paper.slice(paper.indexOf(text)))?.[1] ?? '';

it.each([1, 2, 7, 13])(
  'docs/audit-log.md: an event of %i is proven with a shell, sha256sum and openssl',
  async (count) => {
    const officer = await seedOfficer();
    await writeEvents(
      officer.tenantId,
      Array.from({ length: count }, () => ({ actor: 'Zoë "✓"' })),
    );
    await deps.sealer.sealNow();
    const { port } = server.address() as AddressInfo;
    const script = `openssl version\n${blockAfter('All routes need')}\n${blockAfter('auditLogRecipe')}`;
    const { stdout } = await promisify(execFile)('bash', ['-c', script], {
      cwd: mkdtempSync(join(tmpdir(), 'gatehouse-recipe-')),
      env: {
        PATH: process.env['PATH'],
        URL: `http://127.0.0.1:${port}`,
        ACCESS: officer.token,
      },
    });
    const [version, leaf, sameLeaf, root, sameRoot, signed] = stdout.trimEnd().split('\n');
    expect(leaf).toMatch(/^[0-9a-f]{64}$/);
    expect(sameLeaf).toBe(leaf);
    expect(root).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    expect(sameRoot).toBe(root);
    // LibreSSL does not verify Ed25519 this way.
    if (version?.startsWith('OpenSSL 3')) expect(signed).toBe('Signature Verified Successfully');
  },
);
