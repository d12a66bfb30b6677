import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { closeLater } from '../server/closing';

/**
 * Starts the machine's Chromium without a window, and without its own traffic. These tests are
 * skipped if there is none.
 */
export async function launchBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  closeLater(() => browser.close());
  return browser;
}

/** Returns the text of an element, once it matches. */
export async function shown(page: Page, selector: string, what: RegExp): Promise<string> {
  const element = page.locator(selector).filter({ hasText: what, visible: true });
  await element.waitFor({ timeout: 10_000 });
  return (await element.textContent()) ?? '';
}

/** Gives a tab an authenticator like the one in a laptop, which its owner touches at once. */
export async function plugIn(context: BrowserContext, tab: Page) {
  const protocol = await context.newCDPSession(tab);
  await protocol.send('WebAuthn.enable');
  const { authenticatorId } = await protocol.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    async countPasskeys() {
      const { credentials } = await protocol.send('WebAuthn.getCredentials', { authenticatorId });
      return credentials.length;
    },
    forget: () => protocol.send('WebAuthn.clearCredentials', { authenticatorId }),
  };
}
