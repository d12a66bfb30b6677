import type { Express } from 'express';
import request from 'supertest';
import { currentTotpCode } from '@/server/security';
import type { Clock } from '@/server/context';

/** Answers a challenge of a login or a refresh with the current code. */
export async function answerChallenge(
  { app, clock }: { app: Express; clock: Clock },
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
