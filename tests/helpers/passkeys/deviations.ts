import type { Deviation } from './softAuthenticator';

/** Things that no honest browser does when it registers or authenticates. */
export const DEVIATIONS: [string, Deviation][] = [
  ['a phishing page', { origin: 'https://gatehouse.evil.example' }],
  ['a page that is named alike', { origin: 'http://localhost:3000.evil.example' }],
  ['another port', { origin: 'http://localhost:3001' }],
  ['the same page with TLS', { origin: 'https://localhost:3000' }],
  ['no page', { origin: '' }],
  ['a page within another', { clientData: { crossOrigin: true } }],
  ['a page within a named other', { clientData: { topOrigin: 'https://evil.example' } }],
  ['a domain that is not ours', { rpId: 'evil.example' }],
  ['nobody present', { userPresent: false }],
  ['nobody verified', { userVerified: false }],
  ['another challenge', { challenge: Buffer.alloc(32, 7).toString('base64url') }],
  ['an empty challenge', { challenge: '' }],
  ['a challenge that is no text', { clientData: { challenge: ['x'] } }],
  ['a payment', { type: 'payment.get' }],
  ['bytes after the authenticator data', { trailing: Buffer.alloc(3) }],
  ['client data that is null', { clientDataBytes: Buffer.from('null') }],
  ['client data that is no JSON', { clientDataBytes: Buffer.from('{"type":') }],
  ['client data that is no UTF-8', { clientDataBytes: Buffer.from([0xff, 0xfe, 0x00]) }],
  ['client data without anything', { clientDataBytes: Buffer.from('{}') }],
  ['a token binding that is none', { clientData: { tokenBinding: 'present' } }],
  ['a backup of what cannot be backed up', { moreFlags: 0x10 }],
  ['extensions announced and not there', { moreFlags: 0x80 }],
];
