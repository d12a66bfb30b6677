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
  /** Ends the session in this browser, and on the server if that can be reached in time. */
  here(): Promise<void>;
  /**
   * Ends every session of the person.
   * @throws GatehouseError if the server did not do it; the session in this browser has ended all
   *   the same
   */
  everywhere(send: typeof fetch): Promise<void>;
  /**
   * Informs the server of a sign-out that it has not received yet, if there is one. Only the server
   * can remove the cookie; no script can. Until then, a reload must not sign the person in again.
   */
  report(): Promise<void>;
  /** Resolves when no such request is running any more. */
  reporting(): Promise<void>;
}

/**
 * How long in milliseconds this tab waits for a refresh of another one, which may be waiting for a
 * person.
 */
export const PATIENCE_MS = 2000;

/**
 * Ends the session by its refresh token, spent or not. The access token may have expired, and using
 * it could require a proof.
 * @returns whether the server has no session for this token or cookie any more; false if it could
 *   not be reached
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
  let reported = Promise.resolve();

  async function reportInTurn(): Promise<void> {
    if (!(await vault.unreported())) return;
    const work = async () => {
      const session = await vault.unreported();
      if (session) await vault.markReported(session, await endOnServer(transport, {}));
    };
    // One tab at a time: a late answer would remove the cookie of the next sign-in.
    await tabs.alone(work, AbortSignal.timeout(PATIENCE_MS));
  }
  const report = () => (reported = reportInTurn());

  /** Signing out must need no proof, and must not wait for a person. */
  function here(chain = vault.chain): Promise<void> {
    const rest = () => (chain?.refreshToken ? endOnServer(transport, chain) : report());
    return vault.end('signed_out', chain?.session, rest);
  }

  return {
    here: () => here(),
    report,
    reporting: () => reported,
    async everywhere(send) {
      const { chain } = vault;
      try {
        const url = new URL('api/auth/logout-all', transport.base);
        const { ok, status } = await send(url, { method: 'POST' });
        if (!ok) throw refusal({ status, body: {} });
        await vault.end('signed_out', chain?.session);
      } catch (error) {
        // The person asked to end the other sessions too, so a failure must not look like success.
        await here(chain);
        if ((error as GatehouseError).code !== 'SIGNED_OUT') throw error;
      }
    },
  };
}
