import request from 'supertest';
import { passkeyCalls, givePasskey } from '../passkeys/passkeyCalls';
import { startMailServer } from '../mail/mailServer';
import { openNode } from '../server/openNode';
import type { Node } from '../server/openNode';
import { answerChallenge } from '../stepUp/answerChallenge';
import { codeAt } from '../stepUp/secondFactor';
import { as } from './officer';
import { ABROAD, HOME, attemptLogin, seedTraveller } from './traveller';
import type { Traveller } from './traveller';

const PURPOSE = 'security_settings';

type Method = 'none' | 'totp' | 'passkey' | 'recovery_code' | 'email';

interface SignedIn {
  accessToken: string;
  refreshToken: string;
}

/** Answers the challenge of a login. */
type Prove = (challengeId: string) => PromiseLike<request.Response>;

const verify = ({ app }: Node, challengeId: string, code: string) =>
  request(app).post('/api/security/step-up/verify').send({ code, purpose: PURPOSE, challengeId });

/** Makes recovery codes as their owner does, with a proof for it. */
async function makeRecoveryCode(node: Node, who: Traveller): Promise<string> {
  const make = () => as(node.app, who).post('/api/security/recovery-codes', {});
  const { challengeId } = (await make()).body as { challengeId: string };
  const code = codeAt(who.secret, node.clock.now());
  const proof = { code, purpose: PURPOSE, challengeId };
  await as(node.app, who).post('/api/security/step-up/verify', proof);
  return String((await make()).body.codes[0]);
}

/** Prepares somebody who can give this proof. */
async function prepare(node: Node, who: Traveller, method: Method): Promise<Prove> {
  if (method === 'passkey') {
    const passkey = await givePasskey(node, who.token);
    const calls = passkeyCalls(node.app);
    return async (challengeId) => {
      const { body } = await calls.begin(PURPOSE, { challengeId });
      return calls.prove(passkey.get(body), PURPOSE, { challengeId });
    };
  }
  if (method === 'recovery_code') {
    const code = await makeRecoveryCode(node, who);
    return (challengeId) => verify(node, challengeId, code);
  }
  if (method === 'totp') return (challengeId) => answerChallenge(node, who.secret, { challengeId });
  const mail = await startMailServer();
  const sender = openNode((config) => ({ ...config, mail: mail.settings() }));
  return async (challengeId) => {
    const wanted = { method: 'email', purpose: PURPOSE, challengeId };
    await request(sender.app).post('/api/security/step-up/start').send(wanted);
    const { text } = await mail.mailTo(who.email);
    return verify(node, challengeId, /^ {2}(\d{6})$/m.exec(text)?.[1] ?? '');
  };
}

function tokensOf(res: request.Response): SignedIn {
  if (res.status !== 200) throw new Error(`the login was answered with ${res.status} ${res.text}`);
  return res.body as SignedIn;
}

/**
 * Signs somebody in who is asked for a second proof, because they are abroad, and gives this one.
 * Passkeys and mailed codes let the login through that is repeated, and the others complete it, so
 * that both ways are used.
 */
export async function signInWith(node: Node, method: Method): Promise<SignedIn> {
  const factor = method === 'totp' || method === 'recovery_code';
  const who = await seedTraveller(node.app, { factor });
  if (method === 'none') return tokensOf(await attemptLogin(node.app, who, HOME));
  const prove = await prepare(node, who, method);
  const { challengeId } = (await attemptLogin(node.app, who, ABROAD)).body as {
    challengeId: string;
  };
  const proven = await prove(challengeId);
  if (proven.status !== 200) throw new Error(`the proof was answered with ${proven.text}`);
  if (!factor) return tokensOf(await attemptLogin(node.app, who, ABROAD, { challengeId }));
  const complete = request(node.app).post('/api/auth/login/complete').set(ABROAD);
  return tokensOf(await complete.send({ challengeId }));
}
