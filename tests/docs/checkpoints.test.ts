import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { originOf, signCheckpoint } from '@/tlog/checkpoint';
import { createKeyRing, generateSecrets } from '@/server/keyRing';
import { createMetrics } from '@/server/metrics';

const paper = readFileSync(join(__dirname, '../../docs/checkpoints.md'), 'utf8');

describe('docs/checkpoints.md', () => {
  it('shows a program that believes heads of the key, and no others', () => {
    const [, program = ''] = /```js\n([^]*?)```/.exec(paper) ?? [];
    const check = runInNewContext(`${program}; check`, { require, Buffer, Number }) as (
      note: string,
      pem: string,
    ) => unknown;
    const { evidence } = createKeyRing(generateSecrets());
    const logId = '0197c0de-0000-7000-8000-000000000001';
    const root = Buffer.alloc(32, 7);
    const note = signCheckpoint(logId, { size: 42, root }, evidence);
    const head = check(note, evidence.publicPem);
    expect(head).toEqual({ log: originOf(logId), size: 42, root: root.toString('base64') });
    expect(check(note.replace('\n42\n', '\n43\n'), evidence.publicPem)).toBeUndefined();
    const { evidence: other } = createKeyRing(generateSecrets());
    expect(check(note, other.publicPem)).toBeUndefined();
  });

  it('names every metric of the deliveries', () => {
    const real = Object.values(createMetrics().registry.getMetricsAsArray())
      .map(({ name }) => name)
      .filter((name) => name.startsWith('gatehouse_checkpoint'));
    const told = [...paper.matchAll(/`(gatehouse_checkpoint\w+)/g)].map(([, name]) => name);
    expect(told.sort()).toStrictEqual(real.sort());
  });
});
