import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  nodes: { html: string }[];
}

/** Returns the faults that axe finds on the present page, each with its elements. */
export async function faultsOf(page: Page): Promise<string[]> {
  // The debugger runs it, because the page's content security policy allows no other script.
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: Violation[] }> };
    };
    return (await axe.run()).violations;
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** Returns how many pixels of the page lie outside the screen. */
export const overflowOf = (page: Page): Promise<number> =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = (
      globalThis as unknown as {
        document: { documentElement: { scrollWidth: number; clientWidth: number } };
      }
    ).document.documentElement;
    return scrollWidth - clientWidth;
  });

/**
 * Returns the words that are split over two lines. A hash may break anywhere, and any word may
 * break at a hyphen.
 */
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
    const range = document.createRange();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      for (const { 0: whole, index: start } of text.data.matchAll(/\S+/g)) {
        // A text this long without a space is a hash, an id or a time.
        if (whole.length >= 20) continue;
        for (const { 0: word, index } of whole.matchAll(/[^\-/]+/g)) {
          range.setStart(text, start + index);
          range.setEnd(text, start + index + word.length);
          const lines = Array.from(range.getClientRects()).filter(({ width }) => width > 0);
          if (new Set(lines.map(({ top }) => top)).size > 1) broken.push(word);
        }
      }
    }
    return broken;
  });
