import type { Express } from 'express';
import request from 'supertest';
import type { StepUpPurpose } from '@/server/db/schema';
import { offerChallenge } from '@/server/security';
import { listOpenChallenges } from '@/server/security/stepUp/challengeStore';
import { operatorContext } from '../server/openNode';
import { depsOf } from '../server/testApp';

/**
 * Opens a challenge for a session, unless one is open. If the purpose belongs to the export's gate
 * and the session may export, it calls that gate; otherwise it asks as a gate whose proof counts
 * for a period of time.
 */
export async function askForProof(app: Express, token: string, purpose: string): Promise<void> {
  const deps = depsOf(app);
  const claims = deps.accessTokens.read(token);
  const who = await deps.sessionCheck.check(claims);
  const { tenantId, userId, staffId, sessionVersion, sessionId } = who;
  if (sessionId === null) throw new Error('a proof needs a session');
  const about = { purpose: purpose as StepUpPurpose, origin: 'session' as const };
  const query = { sessionId, ...about, now: deps.clock.now() };
  if ((await listOpenChallenges(deps.db, tenantId, query)).length > 0) return;
  if (purpose === 'data_export') {
    const bearer = `Bearer ${token}`;
    const gate = request(app).post('/api/compliance/export/bundle').set('authorization', bearer);
    if ((await gate.send({})).status === 428) return;
  }
  const whose = { tenantId, userId, staffId, sessionVersion, sessionId };
  await deps.db.transaction((tx) =>
    offerChallenge(deps, tx, operatorContext, { ...whose, ...about }),
  );
}
