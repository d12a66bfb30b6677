import type { Browser } from './browser';
import type { GatehouseOptions, StepUpAnswer, StepUpMethod } from './contract';
import { GatehouseError } from './contract';
import { orAborted } from './orAborted';
import type { Answer, Transport } from './transport';
import { refusal } from './transport';

/**
 * The most questions for one challenge. A challenge allows fewer tries, so more questions mean that
 * a program answers them.
 */
const MOST_ASKS = 5;

/**
 * @returns the data to verify, or undefined if no passkey was used; another authenticator may have
 *   one
 */
async function usePasskey(browser: Browser, options: unknown, signal: AbortSignal) {
  const { passkeys, credentials } = browser;
  try {
    const publicKey = passkeys?.parseRequestOptionsFromJSON?.(options);
    return (await credentials?.get({ publicKey, signal }))?.toJSON?.();
  } catch {
    return undefined;
  }
}

const describe = ({ purpose, methods, score, reasons }: Answer['body']) => ({
  purpose: String(purpose),
  methods: (methods ?? []) as StepUpMethod[],
  score: score as number | undefined,
  reasons: (reasons ?? []) as string[],
});

/**
 * Asks one question at a time, because a person can only answer one. A question whose signal was
 * aborted is not asked.
 */
function createQueue() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> => {
    const turn = last.then(() => {
      signal.throwIfAborted();
      return orAborted(signal, ask());
    });
    last = turn.catch(() => undefined);
    return turn;
  };
}

/**
 * Asks the person, and has Gatehouse verify the answer, until it is right or the person gives up.
 * @param challenge the body of a 428
 * @param bearer returns the headers of the session, if there is one
 * @throws GatehouseError STEP_UP_DISMISSED, or the reason why no answer can succeed
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
  const inTurn = createQueue();
  const canPasskey = browser.passkeys?.parseRequestOptionsFromJSON && browser.credentials;

  return async (challenge, bearer, signal) => {
    const { purpose, challengeId } = challenge;
    if (describe(challenge).methods.length === 0)
      throw new GatehouseError('NO_FACTOR_ENROLLED', 428, challenge);
    const which = { purpose, challengeId };

    async function start(method: StepUpMethod): Promise<Answer['body']> {
      const path = 'api/security/step-up/start';
      const answer = await transport.post(path, { ...which, method }, await bearer());
      if (answer.status >= 300) throw refusal(answer);
      return answer.body;
    }
    /** @returns undefined if there is nothing to send; the person is then asked again */
    async function toProof(answer: StepUpAnswer) {
      if (!answer) throw new GatehouseError('STEP_UP_DISMISSED');
      if (typeof answer === 'string') return { code: answer };
      const passkey = canPasskey && (await usePasskey(browser, await start('passkey'), signal));
      return passkey ? { passkey } : undefined;
    }
    let lastAnswer: Answer['body'] = {};
    const ask = async () => {
      try {
        return await options.onStepUp({
          ...describe(challenge),
          error: lastAnswer['error'] as string | undefined,
          attemptsLeft: lastAnswer['attemptsLeft'] as number | undefined,
          signal,
          sendMail: async () => void (await start('email')),
        });
      } catch (error) {
        if (error instanceof GatehouseError) throw error;
        throw Object.assign(new GatehouseError('STEP_UP_FAILED'), { cause: error });
      }
    };
    for (let asked = 0; asked < MOST_ASKS; asked += 1) {
      const given = await toProof(await inTurn(signal, ask));
      if (!given) {
        lastAnswer = { error: canPasskey ? 'PASSKEY_FAILED' : 'PASSKEY_UNSUPPORTED' };
        continue;
      }
      const proof = { ...which, ...given };
      const verify = async () =>
        transport.post('api/security/step-up/verify', proof, await bearer());
      const answer = await verify().catch(verify);
      const { error, attemptsLeft } = answer.body;
      // The challenge is no longer open: an earlier request answered it, and its response was lost.
      // The repeated request shows whether it succeeded.
      if (answer.status === 200 || error === 'CHALLENGE_NOT_FOUND') return;
      const wrong = error === 'INVALID_CODE' || error === 'INVALID_PASSKEY';
      if (error !== 'INVALID_INPUT' && !(wrong && attemptsLeft !== 0)) throw refusal(answer);
      lastAnswer = answer.body;
    }
    throw new GatehouseError('STEP_UP_DISMISSED');
  };
}
