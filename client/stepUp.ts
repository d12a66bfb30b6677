import type { Browser } from './browser';
import type { GatehouseOptions, StepUpAnswer, StepUpMethod } from './contract';
import { GatehouseError } from './contract';
import { orAborted } from './orAborted';
import type { Answer, Transport } from './transport';
import { refusal } from './transport';

/** Asked more often than a challenge has tries, something answers that is no person. */
const MOST_ASKS = 5;

/** @returns what is sent to be verified; undefined where there was no touch: another authenticator may have the passkey */
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

/** One question at a time: a person has one pair of eyes. What nobody wants to know any more is not asked. */
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
    /** @returns undefined where there is nothing to send, and the person is asked again */
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
      // No open challenge: it was answered, by a request whose answer was lost. The repetition will tell.
      if (answer.status === 200 || error === 'CHALLENGE_NOT_FOUND') return;
      const wrong = error === 'INVALID_CODE' || error === 'INVALID_PASSKEY';
      if (error !== 'INVALID_INPUT' && !(wrong && attemptsLeft !== 0)) throw refusal(answer);
      lastAnswer = answer.body;
    }
    throw new GatehouseError('STEP_UP_DISMISSED');
  };
}
