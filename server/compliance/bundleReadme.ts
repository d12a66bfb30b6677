import { describeBundle } from './bundleFiles';
import type { ExportFormat } from './exportInput';
import type { ManifestSubject } from './bundleManifest';

const CSV_RULES = `How the tables are written
--------------------------
The .csv files follow RFC 4180: UTF-8, a comma between cells, quotation marks around cells that need
them, CR LF after each record, and column names in the first record. An empty cell means "not known" or
"does not apply"; a cell of two quotation marks ("") is an empty text. Times are UTC, in ISO 8601 with
milliseconds. Columns such as "details", "permissions" and "reasons" contain JSON text.

The apostrophe rule: a spreadsheet runs a cell as a formula if the cell starts with a certain character.
Gatehouse therefore puts one apostrophe (') in front of a cell that starts with one of

    =  +  -  @  a tab  a line feed  a carriage return  ＝  ＋  －  ＠  '

To get the exact original text back, remove one apostrophe from the start of each cell that starts with
one. No other cell was changed.
`;

const JSON_RULES = `How the logs are written
------------------------
The .jsonl files contain one JSON object per line, in UTF-8, with a line feed after each. null means
"not known" or "does not apply". Times are UTC, in ISO 8601 with milliseconds. No value was changed:
only the tables have the apostrophes that are described below.

`;

const CHECKING = `How to check this bundle
------------------------
The short way. You need two things, and neither may come from the person who gave you this bundle:

- verify.mjs, the verifier: download it from a Gatehouse (/verify.mjs), or build it from the source;
- the public key of the organisation's log: a line that begins with "gatehouse/".

Then run this command, with Node.js 20.19 or later. It works offline:

    node verify.mjs BUNDLE.zip --key 'gatehouse/...'

It prints the result of each check. For each fault it names the file, the row and the reason. If you
kept an earlier bundle or an earlier checkpoint, add --checkpoint EARLIER. This shows that nobody has
changed or removed events that it covers, not even a person who has the signing key. You can also open
the page /verify of any Gatehouse: it checks a bundle in your browser and sends it nowhere.

With your own tools. Unpack the bundle, open a terminal in the folder, and run these commands. They need
sh, sed, grep, cut, paste, awk, sha256sum and OpenSSL 3.

1. Check that the manifest is the one that was signed. The commands print the key, then "Signature
   Verified Successfully", then "The signed text is the manifest".

    KEY=$(sed 's/.*"key":"\\([^"]*\\)".*/\\1/' manifest.json); echo "$KEY"
    sed '$d' manifest.sig | sed '$d' > signed.txt
    tail -n 1 manifest.sig | sed 's/.* //' | openssl base64 -d -A | tail -c 64 > signature.bin
    { printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'
      echo "$KEY" | sed 's/.*+[0-9a-f]\\{8\\}+//' | openssl base64 -d -A | tail -c 32; } > key.der
    openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed.txt -sigfile signature.bin
    [ "$(cat manifest.json)" = "$(cat signed.txt)" ] && echo "The signed text is the manifest"

2. Check that the key is the organisation's. Anybody can make a key: compare the line that the first
   command printed with the public key that you got by another way than this bundle.

3. Check that each file is the one that the manifest names. Every line must end in "OK".

    sed 's/.*"files":\\[//; s/\\],"format":.*//' manifest.json | grep -oE '"(name|sha256)":"[^"]*"' |
      cut -d '"' -f 4 | paste - - | awk '{ print $2 "  " $1 }' | sha256sum -c

4. Check that nothing was added. Besides manifest.json and manifest.sig, the bundle must contain only the
   files that the last command printed.

5. Check that the events are those of the log, that none is missing, and that they are in order. For this
   the bundle has leaves.txt, leaves.json and checkpoint.txt: an RFC 6962 Merkle tree, and a C2SP
   checkpoint that signs its root. The page docs/evidence.md of Gatehouse explains how to recompute it.
`;

const LINE_LENGTH = 104;

/** Breaks a text into indented lines for a reader whose editor does not. */
function indent(text: string): string {
  const lines: string[] = [];
  let line = '   ';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > LINE_LENGTH) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].map((one) => `${one}\n`).join('');
}

const listFiles = (format: ExportFormat): string =>
  describeBundle(format)
    .map(({ name, description }) => `${name}\n${indent(description)}`)
    .join('');

/**
 * Returns README.txt of a bundle, for an auditor who has never seen one: its content, and how to check it. Nothing in it
 * depends on the single export, so the same range always has the same text.
 */
export function writeReadme({ tenant, input }: ManifestSubject): string {
  return `Gatehouse evidence bundle
=========================
Organisation: ${tenant.slug} (${tenant.id})
Range:        ${input.from} to ${input.to}, UTC days, both included

This bundle is evidence for auditors. It contains the records of Gatehouse about the sign-ins, sessions
and access of one organisation. Begin with controls.csv: for each criterion of SOC 2 it names the files
to read, and what to look for in them. summary.html gives an overview in a browser.

Gatehouse read all files from one snapshot of the database, so no file shows a later state than another.
manifest.json has the time of the snapshot ("asOf") and the id of the export ("exportId"). The audit log
records each export too. No file contains passwords, tokens, codes or other secrets.

Files
-----
${listFiles(input.format)}
${input.format === 'csv' ? '' : JSON_RULES}${CSV_RULES}
${CHECKING}`;
}
