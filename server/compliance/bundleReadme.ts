import type { ExportFile } from './exportFileStore';
import { fileName } from './exportFileStore';
import type { ExportFormat } from './exportInput';
import type { ManifestSubject } from './manifest';

const CSV_RULES = `How the tables are written
--------------------------
The .csv files follow RFC 4180: UTF-8, a comma between cells, quotation marks around cells that need
them, CR LF after each record, and column names in the first record. An empty cell means "not known" or
"does not apply"; a cell of two quotation marks ("") is a text of no characters. Times are UTC, in
ISO 8601 with milliseconds. The columns "details" and "permissions" hold JSON text.

The apostrophe rule: spreadsheets run a cell as a formula if it starts with a certain character. So a
cell whose text starts with one of

    =  +  -  @  a tab  a line feed  a carriage return  ＝  ＋  －  ＠  '

has one apostrophe (') put in front of it. To get the original text of any cell back, exactly: remove
one leading apostrophe from a cell that starts with one. No other cell was changed.
`;

const JSON_RULES = `How the records are written
---------------------------
The .jsonl files hold one JSON object a line, in UTF-8, with a line feed after each. null means "not
known" or "does not apply". Times are UTC, in ISO 8601 with milliseconds. No value was changed: the
apostrophe that tables get in front of cells that look like formulas is not used here.
`;

const CHECKING = `How to check this bundle
------------------------
Unpack it, open a terminal in the folder, and run these commands. They need sha256sum, sed, tr and
OpenSSL 3.

1. The manifest is the one that was signed. The last command must say "Signature Verified Successfully".

    sed -n '/BEGIN PUBLIC KEY/,/END PUBLIC KEY/p' manifest.sig > key.pem
    sed -n 's/^sig //p' manifest.sig | openssl base64 -d -A > signature.bin
    openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in manifest.json -sigfile signature.bin

2. The key belongs to whom you think. Anybody can make a key, so compare the key id that you were given
   by another way than this bundle with what this prints; the line "key" in manifest.sig says the same.

    openssl pkey -pubin -in key.pem -outform DER | sha256sum | cut -c 1-16

3. Each file is the one that the manifest names. Every line must end in "OK".

    tr '{' '\\n' < manifest.json |
      sed -n 's/.*"name":"\\([^"]*\\)".*"sha256":"\\([0-9a-f]*\\)".*/\\2  \\1/p' | sha256sum -c

4. Nothing was added: besides manifest.json and manifest.sig, the bundle holds only the files above.
`;

function listFiles(files: readonly ExportFile[], format: ExportFormat): string {
  const entries = files.map((file) => [fileName(file, format), file.description] as const);
  return [
    ['README.txt', 'This text.'] as const,
    ...entries,
    ['manifest.json', 'Name, size, SHA-256 and number of rows of each file above.'] as const,
    ['manifest.sig', 'The signature of manifest.json.'] as const,
  ]
    .map(([name, what]) => `${name}\n    ${what}\n`)
    .join('');
}

/** README.txt of a bundle: what it is and how to check it, for an auditor who has never seen one. */
export function writeReadme(subject: ManifestSubject, files: readonly ExportFile[]): string {
  const { tenant, input, asOf, exportId } = subject;
  return `Gatehouse evidence bundle
=========================
Organisation: ${tenant.slug} (${tenant.id})
Range:        ${input.from} to ${input.to}, UTC days, both included
As of:        ${asOf}
Export:       ${exportId}

This bundle holds what Gatehouse recorded about sign-ins, sessions and access of one organisation. All
of it was read from one consistent snapshot of the database, taken at the time "as of": no file shows
a later state than another. Making the bundle is itself recorded, in the audit log, with the id of this
export as its subject. Passwords, tokens, codes and other secrets are not part of any file.

Files
-----
${listFiles(files, input.format)}
${input.format === 'csv' ? CSV_RULES : JSON_RULES}
${CHECKING}`;
}
