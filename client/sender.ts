import type { Chain } from './chain';
import { GatehouseError } from './contract';
import type { Prove } from './stepUp';
import { orAborted } from './orAborted';
import type { RequestEvent, RequestStep } from './transitions';
import { REQUEST } from './transitions';
import type { Transport } from './transport';
import type { Vault } from './vault';

type Fetch = typeof fetch;
type Input = Parameters<Fetch>[0];

interface Parts {
  transport: Transport;
  vault: Vault;
  prove: Prove;
  /**
   * Returns the session with a valid bearer token. If a session is given, it must still be the
   * current one.
   */
  readonly current: (stale?: string, session?: string) => Promise<Chain | undefined>;
}

const isRequest = (input: Input): input is Request => typeof input === 'object' && 'url' in input;

/**
 * A stream can be read only once, and the body of a Request may be a stream, which cannot be
 * detected.
 */
function canRepeat(input: Input, init: RequestInit | undefined): boolean {
  const body: unknown = init?.body;
  if (body !== undefined && body !== null) {
    return !(typeof body === 'object' && ('getReader' in body || Symbol.asyncIterator in body));
  }
  return !isRequest(input) || input.method === 'GET' || input.method === 'HEAD';
}

async function readEvent(response: Response): Promise<[RequestEvent, Record<string, unknown>]> {
  if (response.status !== 401 && response.status !== 428) return ['other', {}];
  try {
    const body = (await response.clone().json()) as Record<string, unknown>;
    const { error } = body;
    if (error === 'UNAUTHENTICATED') return ['unauthenticated', body];
    return [error === 'STEP_UP_REQUIRED' ? 'stepUp' : 'other', body];
  } catch {
    // There is no body to read, for example in an answer to HEAD.
    const bearer = response.status === 401 && response.headers.get('www-authenticate');
    return [bearer && /^bearer/i.test(bearer) ? 'unauthenticated' : 'other', {}];
  }
}

/** Sends the application's requests with the session's bearer token, each at most twice. */
export function createSender({ transport, vault, prove, current }: Parts): Fetch {
  const proving = new Map<string, Promise<void>>();

  /** Requests that need the same proof while the person is being asked share that one answer. */
  function proveOnce(challenge: Record<string, unknown>, session: string): Promise<void> {
    const purpose = String(challenge['purpose']);
    const bearer = async () => {
      const chain = await current(undefined, session);
      return { authorization: `Bearer ${chain?.access?.token ?? ''}` };
    };
    const asked =
      proving.get(purpose) ??
      prove(challenge, bearer, vault.ending(session)).finally(() => proving.delete(purpose));
    proving.set(purpose, asked);
    return asked;
  }

  function withBearer(input: Input, init: RequestInit | undefined, token: string | undefined) {
    if (token === undefined) return transport.fetch(input, init);
    const headers = new Headers(init?.headers ?? (isRequest(input) ? input.headers : undefined));
    headers.set('authorization', `Bearer ${token}`);
    return transport.fetch(input, { ...init, headers });
  }

  /** A caller that aborts must not stop the refresh that others wait for. */
  function forCaller<T>(signal: AbortSignal | null | undefined, work: Promise<T>): Promise<T> {
    return signal ? orAborted(signal, work) : work;
  }

  return async (input, init) => {
    const url = isRequest(input) ? new URL(input.url) : transport.resolve(input);
    // A link must not carry the token to another server.
    if (!transport.trusts(url)) return transport.fetch(isRequest(input) ? input : url, init);
    const target = isRequest(input) ? input : url;
    const signal = init?.signal ?? (isRequest(input) ? input.signal : undefined);
    let step: RequestStep = canRepeat(input, init) ? 'first' : 'once';
    let chain = await forCaller(signal, current());
    for (;;) {
      const token = chain?.access?.token;
      const response = await withBearer(target, init, token);
      const [event, body] = await readEvent(response);
      if (body['error'] === 'FORCE_LOGOUT') {
        await vault.end('security', chain?.session);
        throw new GatehouseError('SIGNED_OUT', response.status, body);
      }
      // Without a session there is nothing to refresh or prove.
      const action = chain ? REQUEST[step][event] : 'return';
      if (!chain || action === 'return') return response;
      const { session } = chain;
      if (action === 'prove') await forCaller(signal, proveOnce(body, session));
      chain = await forCaller(signal, current(action === 'refresh' ? token : undefined, session));
      step = 'repeated';
    }
  };
}
