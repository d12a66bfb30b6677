import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  nodes: { html: string }[];
}

/** What axe finds against the page as it is now; each with the elements that it is about. */
export async function faultsOf(page: Page): Promise<string[]> {
  // Through the debugger, not as a script of the page: its content security policy allows none.
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: Violation[] }> };
    };
    return (await axe.run()).violations;
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** How many pixels of the page are beside the screen. */
export const overflowOf = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = (
      globalThis as unknown as {
        document: { documentElement: { scrollWidth: number; clientWidth: number } };
      }
    ).document.documentElement;
    return scrollWidth - clientWidth;
  });

/** The words that stand on more than one line. A hash may break anywhere, and a hyphen is a place to break. */
export const brokenWordsOf = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    interface Text {
      data: string;
    }
    const { document, NodeFilter } = globalThis as unknown as {
      NodeFilter: { SHOW_TEXT: number };
      document: {
        body: object;
        createTreeWalker(root: object, what: number): { nextNode(): Text | null };
        createRange(): {
          setStart(node: Text, at: number): void;
          setEnd(node: Text, at: number): void;
          getClientRects(): ArrayLike<{ top: number; width: number }>;
        };
      };
    };
    const broken: string[] = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      for (const { 0: word, index } of text.data.matchAll(/(?<=^|[\s\-/])[^\s\-/]+/g)) {
        // What has no space for so long is a hash, an id or a moment.
        const around = /\S*$/.exec(text.data.slice(0, index))?.[0] ?? '';
        const whole = around + (/^\S*/.exec(text.data.slice(index))?.[0] ?? '');
        if (whole.length >= 20) continue;
        const range = document.createRange();
        range.setStart(text, index);
        range.setEnd(text, index + word.length);
        const lines = Array.from(range.getClientRects()).filter(({ width }) => width > 0);
        if (new Set(lines.map(({ top }) => top)).size > 1) broken.push(word);
      }
    }
    return broken;
  });
