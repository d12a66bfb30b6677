import type { Chain } from './chain';
import { secretOf } from './chain';
import type { GatehouseError } from './contract';
import type { Tabs } from './tabs';
import type { Transport } from './transport';
import { refusal } from './transport';
import type { Vault } from './vault';

interface Parts {
  transport: Transport;
  tabs: Tabs;
  vault: Vault;
}

export interface SignOut {
  /** Ends the session in this browser, and on the server as far as it can be reached in time. */
  here(): Promise<void>;
  /**
   * Ends every session of the person.
   * @throws GatehouseError if the server did not do it; the session in this browser has ended all the same
   */
  everywhere(send: typeof fetch): Promise<void>;
  /**
   * Tells the server of a sign-out that it has not heard of, if there is one. It alone can remove the cookie: no script can. Until
   * it has, a reload must not sign the person in again.
   */
  tellServer(): Promise<void>;
  /** Resolves when the server is not being told any more. */
  telling(): Promise<void>;
}

/** How long this tab waits for a refresh of another one, which may be waiting for a person. */
export const PATIENCE_MS = 2000;

/**
 * A refresh token is enough, spent or not: the access token may be over, or a proof be asked for.
 * @returns whether the server has no session by this token or cookie any more; false if it could not be asked
 */
export async function endOnServer(
  transport: Transport,
  chain: Pick<Chain, 'refreshToken'>,
): Promise<boolean> {
  try {
    const { status, body } = await transport.post('api/auth/logout', secretOf(chain));
    return status === 204 || (status === 401 && Boolean(body['error']));
  } catch {
    return false;
  }
}

export function createSignOut({ transport, tabs, vault }: Parts): SignOut {
  let told = Promise.resolve();

  async function tellInTurn(): Promise<void> {
    if (!(await vault.untold())) return;
    const tell = async () => {
      const session = await vault.untold();
      if (session) await vault.told(session, await endOnServer(transport, {}));
    };
    // In turn with the other tabs: a late answer would remove the cookie of the next sign-in.
    await tabs.alone(tell, AbortSignal.timeout(PATIENCE_MS));
  }
  const tellServer = () => (told = tellInTurn());

  /** Nobody proves anything to be let out, or waits for a person. */
  function here(chain = vault.chain): Promise<void> {
    const tell = () => (chain?.refreshToken ? endOnServer(transport, chain) : tellServer());
    return vault.end('signed_out', chain?.session, tell);
  }

  return {
    here: () => here(),
    tellServer,
    telling: () => told,
    async everywhere(send) {
      const { chain } = vault;
      try {
        const url = new URL('api/auth/logout-all', transport.base);
        const { ok, status } = await send(url, { method: 'POST' });
        if (!ok) throw refusal({ status, body: {} });
        await vault.end('signed_out', chain?.session);
      } catch (error) {
        // Asked to end other sessions, it must not seem done.
        await here(chain);
        if ((error as GatehouseError).code !== 'SIGNED_OUT') throw error;
      }
    },
  };
}
