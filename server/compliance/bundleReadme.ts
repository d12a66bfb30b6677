import { LOG_FILES, TABLE_FILES } from './bundleFiles';
import { fileName } from './copyStore';
import type { ExportFormat } from './exportInput';
import type { ManifestSubject } from './bundleManifest';

const CSV_RULES = `How the tables are written
--------------------------
The .csv files follow RFC 4180: UTF-8, a comma between cells, quotation marks around cells that need
them, CR LF after each record, and column names in the first record. An empty cell means "not known" or
"does not apply"; a cell of two quotation marks ("") is a text of no characters. Times are UTC, in
ISO 8601 with milliseconds. Columns such as "details", "permissions" and "reasons" hold JSON text.

The apostrophe rule: spreadsheets run a cell as a formula if it starts with a certain character. So a
cell whose text starts with one of

    =  +  -  @  a tab  a line feed  a carriage return  ＝  ＋  －  ＠  '

has one apostrophe (') put in front of it. To get the original text of any cell back, exactly: remove
one leading apostrophe from a cell that starts with one. No other cell was changed.
`;

const JSON_RULES = `How the logs are written
------------------------
The .jsonl files hold one JSON object a line, in UTF-8, with a line feed after each. null means "not
known" or "does not apply". Times are UTC, in ISO 8601 with milliseconds. No value was changed: the
apostrophe that tables get in front of cells that look like formulas is not used there.

`;

const CHECKING = `How to check this bundle
------------------------
The short way. Get verify.mjs from whoever runs Gatehouse, or from its source, not from whoever gave you
this bundle; and by another way than this bundle the public key of the organisation's log, a line that
begins with "gatehouse/". With Node 20 or later, offline:

    node verify.mjs BUNDLE.zip --key 'gatehouse/...'

It says of each check whether it passed, and of each fault the file, the row and the reason. If you kept
an earlier bundle, or a checkpoint that was handed out earlier, add --checkpoint EARLIER: that is what
shows that nobody has rewritten the past since, whoever holds the key. There is also a page, /verify at
any Gatehouse, which checks a bundle in the browser and sends it nowhere.

With your own tools. Unpack the bundle, open a terminal in the folder, and run these commands. They need
sh, sed, grep, cut, paste, awk, sha256sum and OpenSSL 3.

1. The manifest is the one that was signed. The last command must say "Signature Verified Successfully".

    KEY=$(sed 's/.*"key":"\\([^"]*\\)".*/\\1/' manifest.json); echo "$KEY"
    sed '$d' manifest.sig | sed '$d' > signed.txt
    tail -n 1 manifest.sig | sed 's/.* //' | openssl base64 -d -A | tail -c 64 > signature.bin
    { printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'
      echo "$KEY" | sed 's/.*+[0-9a-f]\\{8\\}+//' | openssl base64 -d -A | tail -c 32; } > key.der
    openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed.txt -sigfile signature.bin
    [ "$(cat manifest.json)" = "$(cat signed.txt)" ] && echo "The signed text is the manifest"

2. The key belongs to whom you think. Anybody can make a key: compare the line that the first command
   printed with the one that you were given by another way than this bundle.

3. Each file is the one that the manifest names. Every line must end in "OK".

    sed 's/.*"files":\\[//; s/\\],"format":.*//' manifest.json | grep -oE '"(name|sha256)":"[^"]*"' |
      cut -d '"' -f 4 | paste - - | awk '{ print $2 "  " $1 }' | sha256sum -c

4. Nothing was added: besides manifest.json and manifest.sig, the bundle holds only the files above.

5. That the events are those of the log, all of them and in their order, is what leaves.txt, leaves.json
   and checkpoint.txt are for: an RFC 6962 tree under a C2SP checkpoint. The documentation of Gatehouse
   ("evidence") says how to recompute it.
`;

const OTHERS: readonly (readonly [string, string])[] = [
  [
    'leaves.txt',
    'The hash of each event of audit-log and audit-log-edges, in the order of the log.',
  ],
  ['leaves.json', 'Where they lie in the tree of all events, and the hashes of the rest of it.'],
  ['checkpoint.txt', 'The signed head of the log that all of this leads to.'],
  ['consistency.json', 'Proof that the log begins with what it was in earlier bundles.'],
];
const LAST: readonly (readonly [string, string])[] = [
  [
    'controls.csv',
    'For each criterion of SOC 2: which file answers it, and what to look for. Begin here.',
  ],
  ['summary.html', 'The range at a glance, for a browser.'],
  ['manifest.json', 'Name, size, SHA-256, number of rows and population of each file above.'],
  ['manifest.sig', 'The signature of manifest.json.'],
];

function listFiles(format: ExportFormat): string {
  const describe = (file: (typeof TABLE_FILES)[number]) =>
    [fileName(file, format), file.description] as const;
  return [
    ['README.txt', 'This text.'] as const,
    ...LOG_FILES.map(describe),
    ...OTHERS,
    ...TABLE_FILES.map(describe),
    ...LAST,
  ]
    .map(([name, what]) => `${name}\n    ${what}\n`)
    .join('');
}

/**
 * Writes README.txt of a bundle: what it is and how to check it, for an auditor who has never seen one. It holds
 * nothing of the single export, so the same range always has the same text.
 */
export function writeReadme({ tenant, input }: ManifestSubject): string {
  return `Gatehouse evidence bundle
=========================
Organisation: ${tenant.slug} (${tenant.id})
Range:        ${input.from} to ${input.to}, UTC days, both included

This bundle holds what Gatehouse recorded about sign-ins, sessions and access of one organisation. All
of it was read from one consistent snapshot of the database: no file shows a later state than another.
When that was is in manifest.json ("asOf"), with the id of the export ("exportId"): making the bundle is
itself recorded in the audit log. Passwords, tokens, codes and other secrets are not part of any file.

Files
-----
${listFiles(input.format)}
${input.format === 'csv' ? '' : JSON_RULES}${CSV_RULES}
${CHECKING}`;
}
