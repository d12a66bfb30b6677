import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle';
import { logOf, originOf, parseCheckpoint, signCheckpoint } from '@/tlog/checkpoint';
import { hashLeaf } from '@/tlog/merkleTree';
import { findSigner, nameKey, parseNote, parseVkey, signNote, toVkey } from '@/tlog/signedNote';
import { isConsistent, rootFromInclusion } from '@/tlog/treeProofs';
import { auditPath, madeUpEntries, treeHash } from '@/tests/helpers/evidence/referenceTree';

const LOG = '0190b6a0-0000-7000-8000-000000000001';
const keys = generateKeyPairSync('ed25519');
const others = generateKeyPairSync('ed25519');
const signer = { publicKey: keys.publicKey, key: keys.privateKey };

const open = (note: string, ...vkeys: string[]) => {
  const parsed = parseNote(note);
  return (
    parsed &&
    findSigner(
      parsed,
      vkeys.map((vkey) => parseVkey(vkey)!),
    )?.name
  );
};

describe('the examples of the specifications', () => {
  const vkey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const note = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

  it('C2SP signed-note: the key reads, is written again as it was, and verifies the note', () => {
    expect(toVkey(parseVkey(vkey)!)).toBe(vkey);
    expect(open(note, vkey)).toBe('example.com/foo');
    expect(open(note.replace('example message', 'exemplary message'), vkey)).toBeUndefined();
  });

  it('C2SP signed-note: the last empty line ends a text that has empty lines of its own', () => {
    const poem = `Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
`;
    const parsed = parseNote(poem);
    expect(parsed?.text).toBe(poem.slice(0, poem.lastIndexOf('\n\n') + 1));
    expect(parsed?.signatures).toMatchObject([
      { name: 'quasimodo.example/salvatore', keyId: Buffer.from('367ba04b', 'hex') },
    ]);
  });

  it('C2SP tlog-checkpoint: origin, size and root are read', () => {
    const checkpoint = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;
    expect(parseCheckpoint(checkpoint)).toMatchObject({
      origin: 'example.com/behind-the-sofa',
      size: 20_852_163,
      root: Buffer.from('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=', 'base64'),
    });
  });

  it.each([
    ['another key id', vkey.replace('530d903a', '530d903b')],
    ['another name', vkey.replace('foo', 'bar')],
    ['another type', vkey.replace('+A', '+B')],
    ['a key cut short', vkey.slice(0, -4)],
    ['nothing', ''],
  ])('a vkey with %s is none', (_name, wrong) => {
    expect(parseVkey(wrong)).toBeUndefined();
  });
});

describe('a checkpoint of ours', () => {
  const entries = madeUpEntries(11);
  const head = { size: 11, root: treeHash(entries) };
  const note = signCheckpoint(LOG, head, signer);
  const vkey = toVkey(nameKey(originOf(LOG), keys.publicKey));
  /** Sigstore identifies a log by this value. The key id is its beginning. */
  const known = (name = originOf(LOG), publicKey = keys.publicKey) => {
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(12);
    const named = Buffer.concat([Buffer.from(`${name}\n\x01`), raw]);
    const logID = createHash('sha256').update(named).digest();
    return { logID, publicKey, baseURL: name, validFor: { start: new Date(0), end: new Date() } };
  };
  const ask = (envelope: string, log = known()) =>
    verifyCheckpoint({ inclusionProof: { checkpoint: { envelope } } } as never, [log]);

  it("is accepted by sigstore's implementation, which reads what was signed; another key's is not", () => {
    const read = ask(note);
    expect(read).toMatchObject({ origin: originOf(LOG), logSize: 11n, logHash: head.root });
    expect(() => ask(note.replace('\n11\n', '\n12\n'))).toThrow('invalid checkpoint signature');
    expect(() => ask(note, known(originOf(LOG), others.publicKey))).toThrow('invalid checkpoint');
  });

  it("leads sigstore's implementation from each leaf to its root", () => {
    const body = (index: number, hashes: Buffer[]) =>
      ({
        canonicalizedBody: entries[index],
        inclusionProof: { logIndex: String(index), hashes },
      }) as never;
    for (let index = 0; index < head.size; index += 1) {
      const proof = auditPath(index, entries);
      expect(() => verifyMerkleInclusion(body(index, proof), ask(note))).not.toThrow();
      const wrong = body(index, proof.toSpliced(0, 1));
      expect(() => verifyMerkleInclusion(wrong, ask(note))).toThrow('invalid hash count');
    }
  });

  it('is believed by whoever has the key, and stays so under signatures of others', () => {
    expect(open(note, vkey)).toBe(originOf(LOG));
    const other = nameKey('witness.example', others.publicKey);
    const line = signNote(parseNote(note)!.text, other, others.privateKey).split('\n\n')[1]!;
    expect(open(note + line, vkey)).toBe(originOf(LOG));
    expect(open(note + line, toVkey(other))).toBe('witness.example');
  });

  it('is not believed with a known key that did not sign it, whatever else is right', () => {
    expect(open(note, toVkey(nameKey(originOf(LOG), others.publicKey)))).toBeUndefined();
    expect(open(note, toVkey(nameKey('gatehouse/another', keys.publicKey)))).toBeUndefined();
    // Signed by our key over another text: the whole note is refused, although a second signature
    // is valid.
    const other = nameKey('witness.example', others.publicKey);
    const line = signNote(parseNote(note)!.text, other, others.privateKey).split('\n\n')[1]!;
    const [text, signature] = signCheckpoint(LOG, { ...head, size: 12 }, signer).split('\n\n');
    const mixed = `${parseNote(note)!.text}\n${signature}${line}`;
    expect(text).toContain('\n12\n');
    expect(open(mixed, vkey, toVkey(other))).toBeUndefined();
  });

  it.each([
    ['a leading zero', (text: string) => text.replace('\n11\n', '\n011\n')],
    ['a sign', (text: string) => text.replace('\n11\n', '\n+11\n')],
    [
      'a size beyond what a number holds',
      (text: string) => text.replace('\n11\n', `\n${'9'.repeat(16)}\n`),
    ],
    ['a shorter root', (text: string) => text.replace(head.root.toString('base64'), 'AAAA')],
    ['Windows line ends', (text: string) => text.replaceAll('\n', '\r\n')],
    ['an empty origin', (text: string) => text.replace(originOf(LOG), '')],
    ['no signature', (text: string) => `${text.split('\n\n')[0]!}\n`],
    ['no last line end', (text: string) => text.slice(0, -1)],
    ['a dash for the em dash', (text: string) => text.replace('—', '-')],
  ])('with %s is no checkpoint', (_name, change) => {
    expect(parseCheckpoint(note)).toBeDefined();
    expect(parseCheckpoint(change(note))).toBeUndefined();
  });

  it('names its log by its origin, and only ours', () => {
    expect(logOf(originOf(LOG))).toBe(LOG);
    for (const origin of ['gatehouse/', `gatehouse/${LOG}/x`, `other/${LOG}`, LOG]) {
      expect(logOf(origin)).toBeUndefined();
    }
  });
});

describe('what golang.org/x/mod has accepted', () => {
  interface Fixture {
    vkey: string;
    earlier: string;
    checkpoint: string;
    entry: string;
    index: number;
    inclusion: string[];
    consistency: string[];
    signedByGo: { vkey: string; note: string };
  }
  const path = join(__dirname, 'fixtures', 'acceptedByGo.json');
  const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;
  const hashes = (list: string[]) => list.map((hash) => Buffer.from(hash, 'base64'));

  it('is accepted here: notes, the inclusion of an entry, the growth of the tree', () => {
    const { vkey, earlier, checkpoint, entry, index } = fixture;
    expect([open(earlier, vkey), open(checkpoint, vkey)]).toEqual([originOf(LOG), originOf(LOG)]);
    const [old, head] = [parseCheckpoint(earlier)!, parseCheckpoint(checkpoint)!];
    const leaf = hashLeaf(Buffer.from(entry));
    expect(rootFromInclusion(leaf, index, head.size, hashes(fixture.inclusion))).toEqual(head.root);
    expect(isConsistent(old, head, hashes(fixture.consistency))).toBe(true);
  });

  it('and what Go has signed is too', () => {
    const { vkey, note } = fixture.signedByGo;
    expect(open(note, vkey)).toBe(parseCheckpoint(note)?.origin);
    expect(open(note.replace('\n1\n', '\n2\n'), vkey)).toBeUndefined();
  });
});
