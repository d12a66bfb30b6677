/**
 * A certificate for `idp.example` and `accounts.google.com`. It was made for these tests with
 * OpenSSL, is valid for a hundred years, and nobody trusts it.
 */
const CERTIFICATE = [
  'MIIBojCCAUmgAwIBAgIUQRJqtcSpv3jhpkQa1mU5Zb3DNz8wCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEVGVzdDAgFw',
  '0yNjExMzAxODUxMDlaGA8yMTI2MTEwNjE4NTEwOVowDzENMAsGA1UEAwwEVGVzdDBZMBMGByqGSM49AgEGCCqGSM49',
  'AwEHA0IABO7F1FsfykDn7A//GHWEgeWepHv2vj+n7LnAWSJcj9tBbdSH1DneUfI6mxISPCAmgMpmVs09Pvw6p4TMUI',
  'k/4lKjgYAwfjAdBgNVHQ4EFgQUhDmXSy+RVIchLrf+X8Wy2MialIMwHwYDVR0jBBgwFoAUhDmXSy+RVIchLrf+X8Wy',
  '2MialIMwDwYDVR0TAQH/BAUwAwEB/zArBgNVHREEJDAiggtpZHAuZXhhbXBsZYITYWNjb3VudHMuZ29vZ2xlLmNvbT',
  'AKBggqhkjOPQQDAgNHADBEAiAcQi8tLycaCDUzVDeY2FYqZn5LlMQcd3JwY1hUOI3njAIgLgL/glEgTEUs86wQ8RZU',
  'Kq+cN4fuUIc/qX4hJsxqkC8=',
].join('');
const KEY = [
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgccXg0fgniuggbB3pzZe489iR1hbuNovK5aAX9aru77',
  'mhRANCAATuxdRbH8pA5+wP/xh1hIHlnqR79r4/p+y5wFkiXI/bQW3Uh9Q53lHyOpsSEjwgJoDKZlbNPT78OqeEzFCJ',
  'P+JS',
].join('');

const toPem = (label: string, body: string) =>
  `-----BEGIN ${label}-----\n${(body.match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;

export const certificate = toPem('CERTIFICATE', CERTIFICATE);
export const certificateKey = toPem('PRIVATE KEY', KEY);
