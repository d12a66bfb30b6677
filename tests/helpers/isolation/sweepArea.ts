import type { Express } from 'express';
import request from 'supertest';
import { readZip } from '../evidence/readZip';
import { HOME } from '../people/traveller';
import type { Traveller } from '../people/traveller';
import { buildApp } from '../server/testApp';
import type { Sweep } from './aim';
import { AREAS } from './areas';
import type { Area } from './areas';
import { inventIds } from './inventIds';
import type { Ids } from './inventIds';
import { seedMember, seedTarget } from './seedTarget';
import { emptyTables, prepareSnapshot } from './targetSnapshot';
import type { Snapshot } from './targetSnapshot';

/**
 * Returns the bytes of the answer, and those of the files in a ZIP, so that compression hides
 * nothing.
 */
async function readAnswer(res: request.Response): Promise<string> {
  const bytes = res.body as Buffer;
  const files =
    res.type === 'application/zip' ? [...(await readZip(bytes)).values()].map(String) : [];
  return [bytes.toString('utf8'), JSON.stringify(res.headers), ...files].join('\n');
}

function readError(res: request.Response): unknown {
  if (!res.type.endsWith('json') || res.type === 'application/x-ndjson') return undefined;
  const { error } = JSON.parse((res.body as Buffer).toString('utf8')) as { error?: unknown };
  return error;
}

interface Shot {
  status: number;
  error: unknown;
  answer: string;
}

/** Sends one aim of a route with these ids, from a new person of another tenant. */
async function fire(
  app: Express,
  [route, aims]: [route: string, aims: Sweep[string]],
  ids: Ids,
  index: number,
): Promise<Shot & { expected: number }> {
  const me = await seedMember();
  const aim = aims(ids, me)[index];
  if (!aim) throw new Error('there is no target with this name');
  const [method, path] = route.split(' ') as ['get' | 'post' | 'put' | 'patch' | 'delete', string];
  const { tenantId, sessionId, staffId } = ids;
  const stray = { tenantId, tenant_id: tenantId, sessionId, staffId };
  const res = await request(app)
    [method](aim.path ?? path)
    .query(aim.query ?? { ...stray, cursor: sessionId, limit: '1000' })
    .set({ ...HOME, authorization: `Bearer ${me.token}` })
    .set({ 'x-tenant-id': ids.tenantId, 'x-stepup-test-bypass': '1' })
    .send(aim.body)
    .responseType('blob');
  const answer = await readAnswer(res);
  return { status: res.status, error: readError(res), answer, expected: aim.expected };
}

/** Declares the tests that send another tenant's ids to every route of an area. */
export function sweepArea(area: Area): void {
  describe("another tenant's ids", () => {
    const { app, deps } = buildApp();
    const sweep: Sweep = AREAS[area];
    let target: Ids;
    let theirs: Snapshot;
    let snapshot: Awaited<ReturnType<typeof prepareSnapshot>>;

    beforeAll(async () => {
      target = await seedTarget(app);
      // Seals the events so far now, so that their tree does not grow in the middle of the sweep.
      await deps.sealer.sealNow();
      snapshot = await prepareSnapshot();
      theirs = await snapshot(target);
      expect(emptyTables(theirs)).toEqual([]);
    });

    it.each(Object.entries(sweep))(
      'aimed at %s find nothing, tell nothing and change nothing',
      async (...route) => {
        const [, aims] = route;
        const count = aims(target, { secret: 'A'.repeat(32) } as Traveller).length;
        expect(count).toBeGreaterThan(0);
        for (let index = 0; index < count; index += 1) {
          const theirsHit = await fire(app, route, target, index);
          const nobodysHit = await fire(app, route, inventIds(), index);
          expect(theirsHit.status).toBe(theirsHit.expected);
          expect(nobodysHit).toMatchObject({ status: theirsHit.status, error: theirsHit.error });
          for (const id of Object.values(target)) expect(theirsHit.answer).not.toContain(id);
        }
        expect(await snapshot(target)).toEqual(theirs);
      },
    );
  });
}
