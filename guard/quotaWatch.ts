import type { Clocks } from './guardContract';

/** How long unknown credentials wait before one of them looks whether the quota has grown. */
const PAUSE_MS = 5000;

const numberIn = (headers: Headers, name: string, pattern: RegExp): number | undefined => {
  const [, digits] = pattern.exec(headers.get(name) ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits);
};

/**
 * Watches the quota of the service key, which all guards with this key share
 * (draft-ietf-httpapi-ratelimit-headers). Unknown credentials get half of it. Otherwise a flood of
 * made-up keys would use it up, and Gatehouse would answer nobody.
 */
export function createQuotaWatch({ monotonic }: Pick<Clocks, 'monotonic'>) {
  let pausedUntil = -Infinity;
  return {
    note(headers: Headers): void {
      const quota = numberIn(headers, 'ratelimit-policy', /"introspect";q=(\d+)/);
      const left = numberIn(headers, 'ratelimit', /"introspect";r=(\d+)/);
      if (quota === undefined || left === undefined) return;
      pausedUntil = left < quota / 2 ? monotonic() + PAUSE_MS : -Infinity;
    },
    /** Returns the seconds that questions about unknown credentials have to wait; 0 for none. */
    pauseSec: () => Math.max(0, Math.ceil((pausedUntil - monotonic()) / 1000)),
  };
}
