import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readExpectedCatalogue } from '../../server/schema/catalogue/expectedCatalogue';
import { describeUrl } from './describeUrl';
import { migrationsOf } from './folder';
import type { Findings } from './finding';

function describeManifest(root: string): string {
  try {
    const { lastMigration, fingerprint } = readExpectedCatalogue(migrationsOf(root));
    return `${lastMigration}, fingerprint \`${fingerprint}\``;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A cell of a Markdown table holds one line without a bar. */
const cell = (text: string) => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');

/** Formats the result of a check as a page for people. The nightly comparison keeps it. */
export function formatReport(
  root: string,
  { findings, notLooked }: Findings,
  about: { at: Date; commit: string | undefined; databaseUrl: string | undefined },
): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const rows = findings.map(
    ({ code, object, message, fix }) =>
      `| ${code} | ${cell(object)} | ${cell(message)} | ${cell(fix)} |`,
  );
  const table = ['| finding | object | cause | fix |', '| --- | --- | --- | --- |', ...rows];
  return [
    `# Schema: ${findings.length === 0 ? 'no findings' : `${findings.length} finding${findings.length === 1 ? '' : 's'}`}`,
    '',
    `- checked: ${about.at.toISOString()}`,
    `- database: ${about.databaseUrl === undefined ? 'none' : describeUrl(about.databaseUrl)}`,
    `- code: ${version}${about.commit === undefined ? '' : `, commit ${about.commit}`}`,
    `- migrations up to: ${describeManifest(root)}`,
    ...notLooked.map((what) => `- **not checked:** ${what}`),
    '',
    ...(findings.length === 0 ? [] : [...table, '']),
  ].join('\n');
}
