import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256';

/** The parts of CBOR (RFC 8949) that are needed here. */
export type Cbor =
  number | string | Uint8Array | readonly Cbor[] | ReadonlyMap<number | string, Cbor>;

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

/** Encodes numbers from -65536 to 65535 and lengths below 65536 in the shortest form. */
export function encodeCbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') {
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) {
    const pairs = [...(value as ReadonlyMap<number | string, Cbor>)];
    return Buffer.concat([head(5, pairs.length), ...pairs.flat().map((item) => encodeCbor(item))]);
  }
  const items = value as readonly Cbor[];
  return Buffer.concat([head(4, items.length), ...items.map(encodeCbor)]);
}

const fromBase64url = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');

function makeKeys(algorithm: Algorithm, rsaBits: number): { publicKey: KeyObject; key: KeyObject } {
  const { publicKey, privateKey: key } =
    algorithm === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      : algorithm === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength: rsaBits });
  return { publicKey, key };
}

/** Encodes a public key by RFC 9053 2 and 7, and RFC 8230 4. */
function toCose(algorithm: Algorithm, publicKey: KeyObject): Map<number, Cbor> {
  const { x, y, n, e } = publicKey.export({ format: 'jwk' });
  const entries: Record<Algorithm, [number, Cbor][]> = {
    ES256: [
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, fromBase64url(x)],
      [-3, fromBase64url(y)],
    ],
    EdDSA: [
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, fromBase64url(x)],
    ],
    RS256: [
      [1, 3],
      [3, -257],
      [-1, fromBase64url(n)],
      [-2, fromBase64url(e)],
    ],
  };
  return new Map(entries[algorithm]);
}

interface AuthenticatorOptions {
  algorithm?: Algorithm;
  rsaBits?: number;
  /**
   * The signature counter before the first use. It is 0 with `counts: false`, for an authenticator
   * without a counter.
   */
  counter?: number;
  counts?: boolean;
  backupEligible?: boolean;
  backedUp?: boolean;
  credentialId?: Buffer;
}

/** The ways in which an attacker, a bad page or a broken authenticator deviates. */
export interface Deviation {
  origin?: string;
  rpId?: string;
  type?: string;
  challenge?: string;
  userPresent?: boolean;
  userVerified?: boolean;
  counter?: number;
  userHandle?: string | null;
  /** Added to the client data, or replacing parts of them. */
  clientData?: Record<string, unknown>;
  /** Replaces the client data completely. */
  clientDataBytes?: Buffer;
  moreFlags?: number;
  /** Signed with the new key itself (WebAuthn Level 3 8.2, self attestation). */
  selfAttested?: boolean;
  /** Replaces the attestation statement. */
  format?: string;
  statement?: Cbor;
  /** Makes the statement from the data that has to be signed. */
  attest?: (authData: Buffer, clientDataHash: Buffer) => Cbor;
  /** Replaces the attested key. */
  coseKey?: Cbor;
  /** Replaces the attested id. */
  attestedId?: Buffer;
  /** Follows the authenticator data. */
  trailing?: Buffer;
  signature?: Buffer;
  transports?: string[];
}

interface CreationOptions {
  challenge: string;
  rp: { id?: string };
  user: { id: string };
}

interface RequestOptions {
  challenge: string;
  rpId?: string;
}

const UP = 0x01;
const UV = 0x04;
const BE = 0x08;
const BS = 0x10;
const AT = 0x40;

/**
 * An authenticator and its browser (WebAuthn Level 3 6) in software. Both can be made to deviate.
 */
export class SoftAuthenticator {
  readonly credentialId: Buffer;
  counter: number;
  private readonly algorithm: Algorithm;
  private readonly publicKey: KeyObject;
  private readonly key: KeyObject;
  private userHandle: string | undefined;

  constructor(
    private readonly origin: string,
    private readonly options: AuthenticatorOptions = {},
  ) {
    this.algorithm = options.algorithm ?? 'ES256';
    this.counter = options.counter ?? 0;
    this.credentialId = options.credentialId ?? randomBytes(32);
    ({ publicKey: this.publicKey, key: this.key } = makeKeys(
      this.algorithm,
      options.rsaBits ?? 2048,
    ));
  }

  get id(): string {
    return this.credentialId.toString('base64url');
  }

  get coseKey(): Map<number, Cbor> {
    return toCose(this.algorithm, this.publicKey);
  }

  /** Returns a copy with the same key and counter, as a thief would have it. */
  copy(): SoftAuthenticator {
    const copy = Object.create(SoftAuthenticator.prototype) as SoftAuthenticator;
    return Object.assign(copy, this);
  }

  sign(data: Buffer): Buffer {
    return sign(this.algorithm === 'EdDSA' ? null : 'sha256', data, this.key);
  }

  private flags({ userPresent = true, userVerified = true, moreFlags = 0 }: Deviation): number {
    const { backupEligible = false, backedUp = false } = this.options;
    const flags = [userPresent && UP, userVerified && UV, backupEligible && BE, backedUp && BS];
    return flags.reduce((all: number, flag) => all | (flag || 0), moreFlags);
  }

  private next({ counter }: Deviation): number {
    if (this.options.counts !== false) this.counter += 1;
    return counter ?? this.counter;
  }

  private authenticatorData(rpId: string, flags: number, more: Deviation): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.next(more));
    const rpIdHash = createHash('sha256').update(rpId).digest();
    return Buffer.concat([rpIdHash, Buffer.from([flags]), counter]);
  }

  private clientData(type: string, challenge: string, more: Deviation): Buffer {
    if (more.clientDataBytes) return more.clientDataBytes;
    return Buffer.from(
      JSON.stringify({
        type: more.type ?? type,
        challenge: more.challenge ?? challenge,
        origin: more.origin ?? this.origin,
        crossOrigin: false,
        ...more.clientData,
      }),
    );
  }

  private credential<Response extends object>(response: Response) {
    const { id } = this;
    const clientExtensionResults = { credProps: { rk: true } };
    return { id, rawId: id, type: 'public-key', response, clientExtensionResults };
  }

  private attest(authData: Buffer, clientData: Buffer, more: Deviation): Cbor {
    const digest = createHash('sha256').update(clientData).digest();
    if (more.attest) return more.attest(authData, digest);
    if (more.statement !== undefined) return more.statement;
    if (!more.selfAttested) return new Map<string, Cbor>();
    return new Map<string, Cbor>([
      ['alg', this.coseKey.get(3) ?? 0],
      ['sig', this.sign(Buffer.concat([authData, digest]))],
    ]);
  }

  /**
   * Does what `navigator.credentials.create()` does, and returns the `toJSON()` of its credential.
   */
  create(options: CreationOptions, more: Deviation = {}) {
    const clientData = this.clientData('webauthn.create', options.challenge, more);
    this.userHandle = options.user.id;
    const id = more.attestedId ?? this.credentialId;
    const idLength = Buffer.from([id.length >> 8, id.length & 255]);
    const rpId = more.rpId ?? options.rp.id ?? '';
    const authData = Buffer.concat([
      this.authenticatorData(rpId, this.flags(more) | AT, more),
      ...[Buffer.alloc(16), idLength, id],
      encodeCbor(more.coseKey ?? this.coseKey),
      more.trailing ?? Buffer.alloc(0),
    ]);
    const attestationObject = encodeCbor(
      new Map<string, Cbor>([
        ['fmt', more.format ?? (more.selfAttested ? 'packed' : 'none')],
        ['attStmt', this.attest(authData, clientData, more)],
        ['authData', authData],
      ]),
    );
    return this.credential({
      clientDataJSON: clientData.toString('base64url'),
      attestationObject: attestationObject.toString('base64url'),
      transports: more.transports ?? ['internal', 'hybrid'],
    });
  }

  /** Does what `navigator.credentials.get()` does, and returns the `toJSON()` of its credential. */
  get(options: RequestOptions, more: Deviation = {}) {
    const clientData = this.clientData('webauthn.get', options.challenge, more);
    const rpId = more.rpId ?? options.rpId ?? '';
    const authData = Buffer.concat([
      this.authenticatorData(rpId, this.flags(more), more),
      more.trailing ?? Buffer.alloc(0),
    ]);
    const digest = createHash('sha256').update(clientData).digest();
    const signature = more.signature ?? this.sign(Buffer.concat([authData, digest]));
    const userHandle = more.userHandle === undefined ? this.userHandle : more.userHandle;
    return this.credential({
      clientDataJSON: clientData.toString('base64url'),
      authenticatorData: authData.toString('base64url'),
      signature: signature.toString('base64url'),
      ...(userHandle === null ? {} : { userHandle }),
    });
  }
}
