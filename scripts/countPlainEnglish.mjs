// Counts three habits that make prose hard to read, per 1,000 words of docs and of comments, and fails above the goals
// of docs/architecture.md. `--list` names each place.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const GOALS = { where: 0.6, headless: 0.2, whoever: 0.2 };

const PATTERNS = {
  // "where" for a condition; it is for places.
  where:
    /\b[Ww]here (?:it|there|one|a|an|the|that|somebody|nobody|no|they|who|you|its|what|mail)\b/g,
  // A clause as the subject of a sentence: "What is signed is checked."
  headless:
    /(?:^|[.:;]\s+)(?:What|Who|Whoever|Whose|Whom|Where)\s(?!\s*(?:is|are|do|does|did|can|should)\b[^.]*\?)[a-z]+[^.?]*[.:;]/g,
  whoever: /\b[Ww]hoever\b|\b(?:for|by|of|to|from|against|with) who\b/g,
};

const hideCode = (text) => text.replace(/`[^`]*`/g, 'X');

function proseOfPage(text) {
  const prose = text.replace(/```[\s\S]*?```/g, '').replace(/^\|.*$/gm, '');
  return hideCode(prose)
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^#+.*$/gm, '');
}

function proseOfCode(text) {
  const comments = text.matchAll(/\/\*\*?([\s\S]*?)\*\/|(?:^|\s)\/\/(.*)$/gm);
  const lines = Array.from(comments, ([, block, line]) =>
    (block ?? line ?? '').replace(/^\s*\*\s?/gm, '').trim(),
  );
  return hideCode(lines.map((line) => `${line}.\n`).join(''));
}

const filesBelow = (folder, ending) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true })
        .filter((name) => name.endsWith(ending))
        .map((name) => join(folder, name))
    : [];

const CODE = ['server', 'client', 'verifier', 'guard', 'tlog', 'scripts'];
const SOURCES = {
  docs: {
    files: ['README.md', 'replit.md', ...filesBelow('docs', '.md')],
    toProse: proseOfPage,
  },
  comments: {
    files: CODE.flatMap((folder) => filesBelow(folder, '.ts')),
    toProse: proseOfCode,
  },
};

function count({ files, toProse }) {
  const found = { where: [], headless: [], whoever: [] };
  let words = 0;
  for (const file of files.sort()) {
    const prose = toProse(readFileSync(file, 'utf8'));
    words += prose.match(/[A-Za-z']+/g)?.length ?? 0;
    for (const [name, pattern] of Object.entries(PATTERNS)) {
      for (const [hit] of prose.matchAll(pattern)) found[name].push(`${file}: ${hit.trim()}`);
    }
  }
  return { words, found };
}

for (const [kind, sources] of Object.entries(SOURCES)) {
  const { words, found } = count(sources);
  for (const [name, goal] of Object.entries(GOALS)) {
    const rate = (found[name].length * 1000) / words;
    if (process.argv.includes('--list')) process.stdout.write(`${found[name].join('\n')}\n`);
    const verdict = `${kind}: ${name} ${rate.toFixed(2)} per 1,000 words; the goal is at most ${goal}\n`;
    if (rate > goal) {
      process.exitCode = 1;
      process.stderr.write(verdict);
    } else if (process.argv.includes('--show')) process.stdout.write(verdict);
  }
}
