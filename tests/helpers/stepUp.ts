import type { Express } from 'express';
import request from 'supertest';
import { currentTotpCode, enrollTotpForStaff } from '@/server/security';
import { operatorContext } from './openNode';
import type { Node } from './openNode';

/** Enrols an authenticator as an operator does. */
export function enrolTotp(
  { deps }: Node,
  staff: { tenantId: string; userId: string; staffId: string },
): Promise<string> {
  const { tenantId, userId, staffId } = staff;
  const owner = { tenantId, userId, staffId };
  return deps.db.transaction((tx) =>
    enrollTotpForStaff(deps, tx, operatorContext, owner, 'operator'),
  );
}

/** Answers a challenge of a login or a refresh with the code of this moment. */
export async function answerChallenge(
  { app, clock }: { app: Express; clock: Node['clock'] },
  secret: string,
  challenge: { challengeId: string } | { cookie: string },
) {
  const code = await currentTotpCode(secret, clock.now());
  const body = { code, purpose: 'security_settings' };
  const verify = request(app).post('/api/security/step-up/verify');
  return 'cookie' in challenge
    ? verify.set('cookie', challenge.cookie).send(body)
    : verify.send({ ...body, ...challenge });
}
