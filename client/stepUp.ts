import type { Browser } from './browser';
import type { GatehouseOptions, StepUpAnswer, StepUpMethod } from './contract';
import { GatehouseError } from './contract';
import type { Answer, Transport } from './transport';
import { refusal } from './transport';

/** Asked more often than a challenge has tries, something answers that is no person. */
const MOST_ASKS = 5;

/** The person's answer, or the end of the session they were asked for. */
export function orAborted<T>(signal: AbortSignal, work: Promise<T>, error: () => Error) {
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(error());
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
  });
}

async function usePasskey(browser: Browser, options: unknown, signal: AbortSignal) {
  const publicKey = browser.passkeys?.parseRequestOptionsFromJSON?.(options);
  if (!publicKey || !browser.credentials) throw new GatehouseError('PASSKEY_UNSUPPORTED');
  const credential = await browser.credentials
    .get({ publicKey, signal })
    .catch(() => Promise.reject(new GatehouseError('STEP_UP_DISMISSED')));
  return credential?.toJSON?.();
}

/**
 * Asks the person and has Gatehouse verify what they answer, until it fits or they give up.
 * @param challenge the body of a 428
 * @param bearer of the session where there is one
 * @throws GatehouseError STEP_UP_DISMISSED, or why no answer can be right
 */
export type Prove = (
  challenge: Answer['body'],
  bearer: () => Promise<Record<string, string>>,
  signal: AbortSignal,
) => Promise<void>;

export function createProver(
  browser: Browser,
  transport: Transport,
  options: GatehouseOptions,
): Prove {
  let last: Promise<unknown> = Promise.resolve();
  /** One question at a time: a person has one pair of eyes. */
  const inTurn = <T>(ask: () => Promise<T>): Promise<T> => {
    const turn = last.then(ask);
    last = turn.catch(() => undefined);
    return turn;
  };
  const signedOut = () => new GatehouseError('SIGNED_OUT');

  return async (challenge, bearer, signal) => {
    const methods = (challenge['methods'] ?? []) as StepUpMethod[];
    const { purpose, challengeId } = challenge;
    if (methods.length === 0) throw new GatehouseError('NO_FACTOR_ENROLLED', 428, challenge);
    const which = { purpose, challengeId };

    async function start(method: StepUpMethod): Promise<Answer['body']> {
      const path = '/api/security/step-up/start';
      const answer = await transport.post(path, { ...which, method }, await bearer());
      if (answer.status >= 300) throw refusal(answer);
      return answer.body;
    }
    async function toProof(answer: StepUpAnswer) {
      if (!answer) throw new GatehouseError('STEP_UP_DISMISSED');
      if (typeof answer === 'string') return { code: answer };
      return { passkey: await usePasskey(browser, await start('passkey'), signal) };
    }
    let lastAnswer: Answer['body'] = {};
    const ask = () =>
      Promise.resolve(
        options.onStepUp({
          purpose: String(purpose),
          methods,
          score: challenge['score'] as number | undefined,
          reasons: (challenge['reasons'] ?? []) as string[],
          error: lastAnswer['error'] as string | undefined,
          attemptsLeft: lastAnswer['attemptsLeft'] as number | undefined,
          signal,
          sendMail: async () => void (await start('email')),
        }),
      );
    for (let asked = 0; asked < MOST_ASKS; asked += 1) {
      const given = await orAborted(signal, inTurn(ask), signedOut);
      const proof = { ...which, ...(await toProof(given)) };
      const verify = async () =>
        transport.post('/api/security/step-up/verify', proof, await bearer());
      const answer = await verify().catch(verify);
      const { error, attemptsLeft } = answer.body;
      // No open challenge: it was answered, by a request whose answer was lost. The repetition will tell.
      if (answer.status === 200 || error === 'CHALLENGE_NOT_FOUND') return;
      const again = error === 'INVALID_INPUT' || (error === 'INVALID_CODE' && attemptsLeft !== 0);
      if (!again) throw refusal(answer);
      lastAnswer = answer.body;
    }
    throw new GatehouseError('STEP_UP_DISMISSED');
  };
}
