import { createPrivateKey } from 'node:crypto';

/**
 * A certificate like that of a vendor. It was made for these tests with OpenSSL, is valid for a
 * hundred years, and nobody trusts it.
 */
const CERTIFICATE = [
  'MIICEzCCAbigAwIBAgIUDdEjlfVfRs0rtuhkYpWIYhvz/UMwCgYIKoZIzj0EAwIwWzELMAkGA1UEBhMCU0UxDTALBg',
  'NVBAoMBFRlc3QxIjAgBgNVBAsMGUF1dGhlbnRpY2F0b3IgQXR0ZXN0YXRpb24xGTAXBgNVBAMMEFRlc3QgQXR0ZXN0',
  'YXRpb24wIBcNMjYxMTIxMDgzNDMwWhgPMjEyNjEwMjgwODM0MzBaMFsxCzAJBgNVBAYTAlNFMQ0wCwYDVQQKDARUZX',
  'N0MSIwIAYDVQQLDBlBdXRoZW50aWNhdG9yIEF0dGVzdGF0aW9uMRkwFwYDVQQDDBBUZXN0IEF0dGVzdGF0aW9uMFkw',
  'EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXByHlpkPtJ5GXUz7Huki0L+W035E+xgp/t0miLHf6Ehh+hPhI7wH097o4E',
  'U1BPPTiTwULJUgEOpYWLljdnqeN6NYMFYwDAYDVR0TAQH/BAIwADAnBgNVHR8EIDAeMBygGqAYhhZodHRwOi8vMTI3',
  'LjAuMC4xOjkvY3JsMB0GA1UdDgQWBBSKb2qpLsD+96H/3ciecrP+TuTyVjAKBggqhkjOPQQDAgNJADBGAiEAucEiGd',
  'eyUSw4oVojvFnIg7y59no0M3Xv6QJSo/PO9C4CIQD/uo4THB6ciFKuuAC4Ax1hfgxFt5CMfJ6lbGXy0B4unQ==',
].join('');
const KEY = [
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOC6Waj+OGAVzJQTboyczQutxo9+WpNMri0ZxGCkX7q',
  'ihRANCAARcHIeWmQ+0nkZdTPse6SLQv5bTfkT7GCn+3SaIsd/oSGH6E+EjvAfT3ujgRTUE89OJPBQslSAQ6lhYuWN2',
  'ep43',
].join('');

/**
 * Its subject follows WebAuthn Level 3 8.2.1. It names a list of revoked certificates at a closed
 * port of this machine.
 */
export const attestationCertificate = Buffer.from(CERTIFICATE, 'base64');

export const attestationKey = createPrivateKey({
  key: Buffer.from(KEY, 'base64'),
  format: 'der',
  type: 'pkcs8',
});
